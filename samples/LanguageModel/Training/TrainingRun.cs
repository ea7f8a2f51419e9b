using System.Globalization;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>A training run: how far it has come, the course of its learning rate, and what its file holds besides weights.</summary>
/// <param name="seed">Decides the first weights and the order of the text.</param>
internal abstract class TrainingRun(ulong seed) : IDisposable
{
    /// <summary>The steps taken.</summary>
    public long Step { get; private set; }

    /// <summary>The batches that were left out, because their loss or a gradient was not finite.</summary>
    public long LeftOut { get; private set; }

    /// <summary>The seconds spent on the run, over all its sessions; the caller counts them.</summary>
    public double Seconds { get; set; }

    /// <summary>The course of the learning rate.</summary>
    public Schedule Schedule { get; set; } = new();

    /// <summary>Whether the learning rate has fallen to zero.</summary>
    public bool IsFinished => Step >= Schedule.End;

    /// <summary>The tokens that a step learns from.</summary>
    public abstract int TokensPerStep { get; }

    /// <summary>The sizes of the softmax.</summary>
    public abstract SoftmaxLayout Layout { get; }

    protected ulong Seed { get; private set; } = seed;

    /// <summary>Takes one step and returns the loss before it; NaN where the batch was left out.</summary>
    public float Advance()
    {
        var loss = TakeStep(Schedule.RateAt(Step));
        Step++;
        if (!float.IsFinite(loss)) LeftOut++;
        return loss;
    }

    /// <summary>Adds the targets of the last step to the counts of the shortlist (0) and of the tails (1 and up).</summary>
    public abstract void CountTargets(Span<long> byCluster);

    /// <summary>Lets the learning rate fall from here on, if it does not yet.</summary>
    public void BeginFall()
    {
        if (Schedule.FallStart is null) Schedule = Schedule with { FallStart = Step };
    }

    /// <summary>Begins another run on top of a finished one.</summary>
    public void Extend()
    {
        Schedule = new Schedule { Start = Step };
        Seconds = 0;
    }

    /// <summary>Saves everything that the run needs to go on as if it had not stopped. A crash never leaves half a file.</summary>
    public void Save(string path)
    {
        Write(path, new SavedRun(Step, new Dictionary<string, string>
        {
            ["seconds"] = Seconds.ToString("R", CultureInfo.InvariantCulture),
            ["seed"] = Seed.ToString(CultureInfo.InvariantCulture),
            ["start"] = Schedule.Start.ToString(CultureInfo.InvariantCulture),
            ["fallStart"] = Schedule.FallStart?.ToString(CultureInfo.InvariantCulture) ?? "",
        }));
    }

    /// <summary>Goes on where a saved run stopped.</summary>
    /// <exception cref="CheckpointMismatchException">The file is of another model.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged.</exception>
    public void Restore(string path)
    {
        var run = Read(path);
        Step = run.Step;
        Seed = ulong.Parse(run.Strings["seed"], CultureInfo.InvariantCulture);
        Seconds = double.Parse(run.Strings["seconds"], CultureInfo.InvariantCulture);
        Schedule = new Schedule
        {
            Start = long.Parse(run.Strings["start"], CultureInfo.InvariantCulture),
            FallStart = run.Strings["fallStart"] is { Length: > 0 } step ? long.Parse(step, CultureInfo.InvariantCulture) : null,
        };
    }

    public abstract void Dispose();

    /// <summary>Takes the step <see cref="Step"/>.</summary>
    /// <param name="rate">The learning rate, as a share of its peak.</param>
    /// <returns>The loss before the step; NaN where the batch was left out.</returns>
    protected abstract float TakeStep(double rate);

    /// <summary>Saves model and optimizer.</summary>
    protected abstract void Write(string path, SavedRun run);

    /// <summary>Takes model and optimizer from a file.</summary>
    protected abstract SavedRun Read(string path);
}
