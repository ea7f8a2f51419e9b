using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>Trains a model step by step on windows drawn from all over a text.</summary>
internal sealed class Trainer : TrainingRun
{
    public const int BatchSize = 256;

    private const double PeakRate = 0.08;

    private readonly LanguageModel _model;
    private readonly ITraining _training;
    private readonly int[] _text;
    private readonly int[] _positions;

    public Trainer(LanguageModel model, int[] text, ulong seed, int batchSize = BatchSize, ITraining? training = null)
        : base(seed)
    {
        (_model, _text) = (model, text);
        _training = training ?? model.CreateTraining();
        _positions = new int[batchSize];
        Batch = new Batch(batchSize, model.Window);
    }

    public override int TokensPerStep => _positions.Length;

    public override SoftmaxLayout Layout => _model.Layout;

    /// <summary>The memory in use, in bytes; see <see cref="ITraining.UsedMemory"/>.</summary>
    public long UsedMemory => _training.UsedMemory;

    /// <summary>The batch of the last step.</summary>
    public Batch Batch { get; }

    /// <summary>Does what a device must do once before its first step, such as compiling. The run stays as it is.</summary>
    public void WarmUp()
    {
        Draw();
        _training.WarmUp(Batch);
    }

    public override void CountTargets(Span<long> byCluster)
    {
        foreach (var target in Batch.Targets) byCluster[ApiDocsSoftmax.Vocabulary.GetSlot(target).Cluster]++;
    }

    public override void Dispose() => _training.Dispose();

    protected override float TakeStep(double rate)
    {
        Draw();
        return _training.Step(Batch, PeakRate * rate);
    }

    protected override void Write(string path, SavedRun run) => _training.Save(path, run);

    protected override SavedRun Read(string path) => _training.Restore(path);

    private void Draw()
    {
        TextData.DrawPositions(_text, Seed, Step, _positions);
        Batch.Fill(_text, _positions, _model.EndOfText);
    }
}
