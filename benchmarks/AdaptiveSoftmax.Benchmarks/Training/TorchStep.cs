using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// One side of a comparison in TorchSharp: a module, an optimizer, and the place in the text. Hidden vectors are random:
/// time does not depend on them. They want a gradient, as those of a model's body do.
/// </summary>
internal abstract class TorchStep : IDisposable
{
    public const int HiddenSize = 512;
    private const int BatchSize = 256;

    private readonly optim.Optimizer _optimizer;
    private readonly Tensor _hidden;
    private readonly long[] _slots;
    private int _position;

    protected TorchStep(TrainingText text, nn.Module module)
    {
        set_num_threads(Threads);
        Module = module;
        _optimizer = optim.Adagrad(module.parameters(), 0.05);
        _hidden = rand(BatchSize, HiddenSize, generator: new Generator(1)) * 2 - 1;
        _slots = [.. text.Slots];
    }

    /// <summary>The threads of libtorch, which are those of the fused kernels too.</summary>
    public static int Threads => Environment.ProcessorCount;

    protected nn.Module Module { get; }

    /// <summary>Gradients from nothing, as after <c>zero_grad</c>: forward and backward.</summary>
    public long Run()
    {
        using var scope = NewDisposeScope();
        Module.zero_grad();
        return Propagate();
    }

    /// <summary>The same and a step of the optimizer.</summary>
    public long RunWithOptimizer()
    {
        using var scope = NewDisposeScope();
        _optimizer.zero_grad();
        var loss = Propagate();
        _optimizer.step();
        return loss;
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _hidden.Dispose();
        Module.Dispose();
    }

    protected abstract Tensor Loss(Tensor hidden, Tensor targets);

    private long Propagate()
    {
        // Both sides see the same stretches of text: each starts where its own last step ended.
        if (_position + BatchSize > _slots.Length) _position = 0;
        var targets = tensor(_slots.AsSpan(_position, BatchSize).ToArray());
        _position += BatchSize;
        var loss = Loss(_hidden.detach().requires_grad_(), targets);
        loss.backward();
        return BitConverter.SingleToInt32Bits(loss.item<float>());
    }
}
