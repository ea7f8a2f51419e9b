using AdaptiveSoftmax;
using AdaptiveSoftmax.TorchSharp;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace TorchLstmSample;

/// <summary>The run of the model with the adaptive softmax, and its checkpoint.</summary>
internal sealed class LstmRun : TrainingRun
{
    private readonly LstmTrainer _trainer;
    private readonly AdaptiveHead _head;
    private readonly AdaptiveSoftmaxLayer _layer;

    /// <param name="trainer">What takes the steps, of a model with an <see cref="AdaptiveHead"/>.</param>
    /// <param name="layer">The layer of the module in the head: its weights are saved through it, with its fingerprint.</param>
    /// <param name="seed">Decides what is dropped.</param>
    public LstmRun(LstmTrainer trainer, AdaptiveSoftmaxLayer layer, ulong seed)
        : base(seed) => (_trainer, _layer, _head) = (trainer, layer, (AdaptiveHead)trainer.Model.Head);

    public override int TokensPerStep => _trainer.Batch.Steps * _trainer.Batch.Streams;

    public override SoftmaxLayout Layout => _head.Layout;

    public override void CountTargets(Span<long> byCluster)
    {
        foreach (var target in _trainer.Batch.TargetSlots) byCluster[Layout.ClusterOf((int)target)]++;
    }

    public override void Dispose() => _trainer.Dispose();

    protected override float TakeStep(double rate) => _trainer.Step(Step, rate, Seed);

    protected override void Write(string path, SavedRun run)
    {
        // Refuses a module of another vocabulary.
        _layer.FromTorch(_head.Module);
        using var copies = CreateCopies();
        copies.Take();
        var checkpoint = new Checkpoint(_layer, copies.Parameters) { Step = run.Step };
        foreach (var (key, value) in run.Strings) checkpoint.Strings[key] = value;
        checkpoint.Save(path);
    }

    protected override SavedRun Read(string path)
    {
        using var copies = CreateCopies();
        var checkpoint = new Checkpoint(_layer, copies.Parameters);
        checkpoint.Restore(path);
        foreach (var (name, tensor) in _head.Module.named_parameters()) copies.Pair(tensor, _layer.Parameters.Single(parameter => parameter.Name == name));
        copies.Give();
        return new SavedRun(checkpoint.Step, checkpoint.Strings.AsReadOnly());
    }

    // All that the next step depends on, beside the softmax's own weights.
    private TensorCopies CreateCopies()
    {
        var copies = new TensorCopies();
        var body = _trainer.Model.Body;
        foreach (var (name, parameter) in body.NamedParameters) copies.Add(name, parameter);
        copies.Add("body.embedding.weight", body.Embeddings.Values);
        copies.Add("adagrad.body.embedding.weight", body.Embeddings.SquareSums);
        var names = body.NamedParameters.Select(pair => pair.Name).Concat(_head.Module.named_parameters().Select(pair => pair.name));
        foreach (var (name, sum) in names.Zip(_trainer.SquareSums)) copies.Add($"adagrad.{name}", sum);
        copies.Add("state.hidden", _trainer.State.Hidden);
        copies.Add("state.cell", _trainer.State.Cell);
        return copies;
    }
}
