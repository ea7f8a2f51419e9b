using System.Globalization;
using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>Trains a model step by step, and saves and restores the run.</summary>
internal sealed class Trainer : IDisposable
{
    public const int BatchSize = 256;

    private const double PeakRate = 0.08;

    private readonly Model _model;
    private readonly int[] _text;
    private readonly Adagrad _optimizer;
    private readonly int[] _positions;
    private ulong _seed;

    public Trainer(Model model, int[] text, ulong seed, int batchSize = BatchSize)
    {
        (_model, _text, _seed) = (model, text, seed);
        _optimizer = new Adagrad(PeakRate) { Threads = model.Body.Shape.Threads };
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

    /// <summary>The batch of the last step.</summary>
    public Batch Batch { get; }

    /// <summary>Takes one step and returns the loss before it.</summary>
    public float Advance()
    {
        TextData.DrawPositions(_text, _seed, Step, _positions);
        Batch.Fill(_text, _positions, _model.EndOfText);
        var loss = _model.Backward(Batch);
        _optimizer.LearningRate = PeakRate * Schedule.RateAt(Step);
        _optimizer.Step(_model.Parameters);
        Step++;
        return loss;
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
        var checkpoint = CreateCheckpoint();
        checkpoint.Step = Step;
        checkpoint.Strings["seconds"] = Seconds.ToString("R", CultureInfo.InvariantCulture);
        checkpoint.Strings["seed"] = _seed.ToString(CultureInfo.InvariantCulture);
        checkpoint.Strings["start"] = Schedule.Start.ToString(CultureInfo.InvariantCulture);
        checkpoint.Strings["fallStart"] = Schedule.FallStart?.ToString(CultureInfo.InvariantCulture) ?? "";
        checkpoint.Save(path);
    }

    /// <summary>Goes on where a saved run stopped.</summary>
    /// <exception cref="CheckpointMismatchException">The file is of another model.</exception>
    /// <exception cref="SafetensorsFormatException">The file is damaged.</exception>
    public void Restore(string path)
    {
        var checkpoint = CreateCheckpoint();
        checkpoint.Restore(path);
        Step = checkpoint.Step;
        _seed = ulong.Parse(checkpoint.Strings["seed"], CultureInfo.InvariantCulture);
        Seconds = double.Parse(checkpoint.Strings["seconds"], CultureInfo.InvariantCulture);
        Schedule = new Schedule
        {
            Start = long.Parse(checkpoint.Strings["start"], CultureInfo.InvariantCulture),
            FallStart = checkpoint.Strings["fallStart"] is { Length: > 0 } step ? long.Parse(step, CultureInfo.InvariantCulture) : null,
        };
    }

    public void Dispose() => _optimizer.Dispose();

    private Checkpoint CreateCheckpoint() => new(_model.Softmax, _model.Body.Parameters, _optimizer);
}
