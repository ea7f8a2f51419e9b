using AdaptiveSoftmax.TorchSharp;
using AdaptiveSoftmax.Vocabulary;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace TorchLstmSample;

/// <summary>The last layer of the model: probabilities of the next token from a hidden state. Tokens are slots.</summary>
internal abstract class SoftmaxHead(nn.Module module, SoftmaxLayout layout) : IDisposable
{
    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout { get; } = layout;

    public IReadOnlyList<TorchParameter> Parameters { get; } = [.. module.parameters()];

    /// <summary>The mean loss.</summary>
    /// <param name="hidden">Hidden states, [tokens, hidden].</param>
    /// <param name="targets">The slot after each, int64 [tokens].</param>
    public abstract Tensor Loss(Tensor hidden, Tensor targets);

    /// <summary>The most probable slot after each hidden state, int64 [tokens].</summary>
    /// <param name="hidden">Hidden states, [tokens, hidden].</param>
    public abstract Tensor Predict(Tensor hidden);

    public void ZeroGradients() => module.zero_grad();

    public void Dispose() => module.Dispose();
}

/// <summary>The adaptive softmax.</summary>
internal sealed class AdaptiveHead : SoftmaxHead
{
    /// <param name="module">The module.</param>
    /// <param name="implementation">What computes it: this project's kernels on the tensors' memory, or TorchSharp's operations.</param>
    public AdaptiveHead(AdaptiveLogSoftmaxWithLoss module, SoftmaxImplementation implementation = SoftmaxImplementation.Fused)
        : base(module, module.Layout)
    {
        module.implementation = implementation;
        Module = module;
    }

    public AdaptiveLogSoftmaxWithLoss Module { get; }

    public override Tensor Loss(Tensor hidden, Tensor targets) => Module.call(hidden, targets).loss;

    public override Tensor Predict(Tensor hidden) => Module.predict(hidden);
}

/// <summary>TorchSharp's own full softmax: one matrix with a row for each token.</summary>
internal sealed class FullHead : SoftmaxHead
{
    private readonly Linear _linear;

    public FullHead(int hiddenSize, int vocabularySize)
        : this(SoftmaxLayout.CreateFull(hiddenSize, vocabularySize), nn.Linear(hiddenSize, vocabularySize, hasBias: false))
    {
    }

    private FullHead(SoftmaxLayout layout, Linear linear)
        : base(linear, layout) => _linear = linear;

    public override Tensor Loss(Tensor hidden, Tensor targets) => nn.functional.cross_entropy(_linear.call(hidden), targets);

    public override Tensor Predict(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        return _linear.call(hidden).argmax(1).MoveToOuterDisposeScope();
    }
}
