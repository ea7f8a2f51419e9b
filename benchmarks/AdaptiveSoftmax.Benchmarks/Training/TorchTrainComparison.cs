using AdaptiveSoftmax.TorchSharp;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>TorchSharp's module on this project's kernels against the same module composed of TorchSharp's operations.</summary>
internal sealed class TorchTrainComparison : IComparison
{
    public string Name => "torch-train";

    public string Description => "Forward and backward of the fused TorchSharp module (256 targets from real text, hidden 512, o200k_base) against the same algorithm of TorchSharp's operations and autograd, same threads; a second table adds TorchSharp's Adagrad to both.";

    public double Run(ComparisonSession session)
    {
        var text = TrainingText.Load(TorchStep.HiddenSize, session);
        using var ours = new TorchModuleStep(text, SoftmaxImplementation.Fused);
        using var peer = new TorchModuleStep(text, SoftmaxImplementation.Composed);
        session.Note($"{TorchStep.Threads} threads on both sides");
        var figure = session.Compare("forward and backward", 1, new Contender("fused", ours.Run), [new Contender("composed of TorchSharp's operations", peer.Run)]);
        session.Compare("step", 1, new Contender("fused, TorchSharp's Adagrad", ours.RunWithOptimizer), [new Contender("composed, TorchSharp's Adagrad", peer.RunWithOptimizer)]);
        return figure;
    }
}

/// <summary>TorchSharp's module on this project's kernels against TorchSharp's full softmax.</summary>
internal sealed class TorchTrainFullComparison : IComparison
{
    public string Name => "torch-train-full";

    public string Description => "Forward and backward of the fused TorchSharp module (256 targets from real text, hidden 512, o200k_base) against TorchSharp's linear and cross_entropy over the whole vocabulary, same threads; a second table adds TorchSharp's Adagrad to both.";

    public double Run(ComparisonSession session)
    {
        var text = TrainingText.Load(TorchStep.HiddenSize, session);
        using var ours = new TorchModuleStep(text, SoftmaxImplementation.Fused);
        using var peer = new TorchFullStep(text);
        session.Note($"{TorchStep.Threads} threads on both sides");
        var figure = session.Compare("forward and backward", 1, new Contender("fused adaptive softmax", ours.Run), [new Contender("linear and cross_entropy", peer.Run)]);
        session.Compare("step", 1, new Contender("fused adaptive softmax, TorchSharp's Adagrad", ours.RunWithOptimizer), [new Contender("linear and cross_entropy, TorchSharp's Adagrad", peer.RunWithOptimizer)]);
        return figure;
    }
}

/// <summary>A side that is the module.</summary>
internal sealed class TorchModuleStep(TrainingText text, SoftmaxImplementation implementation)
    : TorchStep(text, new AdaptiveLogSoftmaxWithLoss(text.Plan.Layout) { implementation = implementation })
{
    protected override Tensor Loss(Tensor hidden, Tensor targets) => ((AdaptiveLogSoftmaxWithLoss)Module).forward(hidden, targets).loss;
}

/// <summary>A side that is the full softmax.</summary>
internal sealed class TorchFullStep(TrainingText text)
    : TorchStep(text, nn.Linear(HiddenSize, text.Plan.Layout.VocabularySize, hasBias: false))
{
    protected override Tensor Loss(Tensor hidden, Tensor targets) =>
        nn.functional.cross_entropy(((nn.Module<Tensor, Tensor>)Module).call(hidden), targets);
}
