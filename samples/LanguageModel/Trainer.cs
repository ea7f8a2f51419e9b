using System.Globalization;
using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>Trains a model step by step, and saves and restores the run.</summary>
internal sealed class Trainer : IDisposable
{
    public const int BatchSize = 256;

    private const double PeakRate = 0.08;

    private readonly LanguageModel _model;
    private readonly ITraining _training;
    private readonly int[] _text;
    private readonly int[] _positions;
    private ulong _seed;

    public Trainer(LanguageModel model, int[] text, ulong seed, int batchSize = BatchSize)
    {
        (_model, _text, _seed) = (model, text, seed);
        _training = model.CreateTraining();
        _positions = new int[batchSize];
        Batch = new Batch(batchSize, model.Window);
    }

    /// <summary>The steps taken.</summary>
    public long Step { get; private set; }

    /// <summary>The seconds spent on the run, over all its sessions; the caller counts them.</summary>
    public double Seconds { get; set; }

    /// <summary>The course of the learning rate.</summary>
    public Schedule Schedule { get; set; } = new();

    /// <summary>Whether the learning rate has fallen to zero.</summary>
    public bool IsFinished => Step >= Schedule.End;

    /// <summary>The memory in use, in bytes; see <see cref="ITraining.UsedMemory"/>.</summary>
    public long UsedMemory => _training.UsedMemory;

    /// <summary>The batch of the last step.</summary>
    public Batch Batch { get; }

    /// <summary>Takes one step and returns the loss before it.</summary>
    public float Advance()
    {
        Draw();
        var loss = _training.Step(Batch, PeakRate * Schedule.RateAt(Step));
        Step++;
        return loss;
    }

    /// <summary>Does what a device must do once before its first step, such as compiling. The run stays as it is.</summary>
    public void WarmUp()
    {
        Draw();
        _training.WarmUp(Batch);
    }

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
        _training.Save(path, new SavedRun(Step, new Dictionary<string, string>
        {
            ["seconds"] = Seconds.ToString("R", CultureInfo.InvariantCulture),
            ["seed"] = _seed.ToString(CultureInfo.InvariantCulture),
            ["start"] = Schedule.Start.ToString(CultureInfo.InvariantCulture),
            ["fallStart"] = Schedule.FallStart?.ToString(CultureInfo.InvariantCulture) ?? "",
        }));
    }

    /// <summary>Goes on where a saved run stopped, on this device or another.</summary>
    /// <exception cref="CheckpointMismatchException">The file is of another model.</exception>
    /// <exception cref="SafetensorsFormatException">The file is damaged.</exception>
    public void Restore(string path)
    {
        var run = _training.Restore(path);
        Step = run.Step;
        _seed = ulong.Parse(run.Strings["seed"], CultureInfo.InvariantCulture);
        Seconds = double.Parse(run.Strings["seconds"], CultureInfo.InvariantCulture);
        Schedule = new Schedule
        {
            Start = long.Parse(run.Strings["start"], CultureInfo.InvariantCulture),
            FallStart = run.Strings["fallStart"] is { Length: > 0 } step ? long.Parse(step, CultureInfo.InvariantCulture) : null,
        };
    }

    public void Dispose() => _training.Dispose();

    private void Draw()
    {
        TextData.DrawPositions(_text, _seed, Step, _positions);
        Batch.Fill(_text, _positions, _model.EndOfText);
    }
}
