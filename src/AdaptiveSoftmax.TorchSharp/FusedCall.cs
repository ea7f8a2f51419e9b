using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>One forward pass by this project's kernels, on the tensors' own memory, and its backward passes.</summary>
/// <param name="module">The module.</param>
/// <param name="pass">The kernels' side of it.</param>
/// <param name="wantsGradient">Which of input and weights want a gradient.</param>
internal sealed unsafe class FusedCall(AdaptiveLogSoftmaxWithLoss module, DeferredPass pass, bool[] wantsGradient)
{
    private bool IsReduced => module.reduction != nn.Reduction.None;

    /// <summary>Output, [N], and loss, [] or [N].</summary>
    /// <param name="tensors">Input and weights.</param>
    /// <param name="keepsLogits">Whether a backward pass may come.</param>
    public (Tensor Output, Tensor Loss) Forward(IReadOnlyList<Tensor> tensors, bool keepsLogits)
    {
        var tokens = tensors[0].shape[0];
        var output = empty(tokens, ScalarType.Float32, CPU);
        var losses = IsReduced ? null : empty(tokens, ScalarType.Float32, CPU);
        var (head, tails) = Borrow(tensors, gradients: null);
        var loss = pass.Forward(LibTorchThreads.Pool, head, tails, Memory(tensors[0]), Floats(output), losses is null ? [] : Floats(losses), keepsLogits);
        GC.KeepAlive(tensors);
        GC.KeepAlive(output);
        return (output, losses ?? tensor(loss, ScalarType.Float32, CPU));
    }

    /// <summary>The gradients of input and weights; null for one that is not wanted or that no target reaches.</summary>
    /// <param name="tensors">Input and weights as they were in the forward pass.</param>
    /// <param name="incoming">The gradients of output and loss, which may be invalid.</param>
    public List<Tensor?> Backward(IReadOnlyList<Tensor> tensors, IReadOnlyList<Tensor> incoming)
    {
        List<Tensor?> gradients = [.. tensors.Select((tensor, i) => wantsGradient[i] && Reaches(i) ? CreateGradient(tensor, i) : null)];
        using var byOutput = Contiguous(incoming[0]);
        using var byLoss = Contiguous(incoming[1]);
        var (head, tails) = Borrow(tensors, gradients);
        pass.Backward(
            LibTorchThreads.Pool,
            head,
            tails,
            Memory(tensors[0]),
            gradients[0] is { } inputGradient ? Memory(inputGradient) : null,
            byOutput is null ? [] : Floats(byOutput),
            lossScale: byLoss is null ? 0 : IsReduced ? byLoss.item<float>() : 1,
            byLoss is null || IsReduced ? [] : Floats(byLoss));
        GC.KeepAlive(tensors);
        GC.KeepAlive(gradients);
        return gradients;
    }

    /// <summary>The same as a graph of its own, from which second derivatives follow.</summary>
    public List<Tensor?> DifferentiableBackward(IReadOnlyList<Tensor> tensors, IReadOnlyList<Tensor> incoming)
    {
        var weights = SoftmaxTensors.From(module.Layout, [.. tensors.Skip(1).Select(tensor => tensor.squeeze(0))]);
        var (output, loss) = module.Compose(tensors[0], Targets(), weights);
        var defined = new[] { output, loss }.Zip(incoming).Where(pair => !pair.Second.IsInvalid).ToArray();
        var wanted = Enumerable.Range(0, tensors.Count).Where(i => wantsGradient[i]).ToArray();
        var found = autograd.grad(
            [.. defined.Select(pair => pair.First)], [.. wanted.Select(i => tensors[i])], [.. defined.Select(pair => pair.Second)], retain_graph: true, create_graph: true, allow_unused: true);
        var gradients = new Tensor?[tensors.Count];
        foreach (var (i, gradient) in wanted.Zip(found)) gradients[i] = gradient.IsInvalid ? null : gradient;
        return [.. gradients];
    }

    private Tensor Targets() => tensor(pass.Slots.Select(slot => slot == TrainingBatch.Ignored ? module.ignore_index : slot).ToArray(), ScalarType.Int64, CPU);

    /// <summary>Gradients that libtorch refuses.</summary>
    public List<Tensor?> ImpossibleGradients() => [.. wantsGradient.Select(wants => wants ? zeros(0) : null)];

    // Input; head, and its bias; projection and output of each tail.
    private bool Reaches(int index)
    {
        var first = module.Layout.HasHeadBias ? 3 : 2;
        return index < first || pass.Reaches((index - first) / 2);
    }

    // The kernels write all of what they reach; without a target they reach nothing.
    private Tensor CreateGradient(Tensor tensor, int index) =>
        pass.ActiveCount == 0 ? zeros(tensor.shape, ScalarType.Float32, CPU) : empty(tensor.shape, ScalarType.Float32, CPU);

    private (ITrainingCluster Head, ITrainingCluster[] Tails) Borrow(IReadOnlyList<Tensor> tensors, List<Tensor?>? gradients)
    {
        var layout = module.Layout;
        var next = 1;
        var head = new HeadLayer<MatrixShape>(
            new MatrixShape(layout.HeadRows, layout.HiddenSize),
            Take("head.weight", layout.HeadRows, layout.HiddenSize),
            layout.HasHeadBias ? Take("head.bias", layout.HeadRows, 1) : null);
        head.SetClusterSizes([.. layout.Tails.Select(tail => tail.Size)]);
        return (head.Cluster, [.. layout.Tails.Select(TakeTail)]);

        ITrainingCluster TakeTail(TailCluster tail) => new TailLayer<MatrixShape, MatrixShape>(
            new MatrixShape(tail.ProjectionWidth, layout.HiddenSize),
            new MatrixShape(tail.Size, tail.ProjectionWidth),
            Take($"tail.{tail.Index}.0.weight", tail.ProjectionWidth, layout.HiddenSize),
            Take($"tail.{tail.Index}.1.weight", tail.Size, tail.ProjectionWidth)).Cluster;

        Parameter Take(string name, int rows, int columns)
        {
            var gradient = gradients?[next] is { } own ? Memory(own) : null;
            return Parameter.Borrow(name, rows, columns, isVector: false, Memory(tensors[next++]), gradient);
        }
    }

    private static Tensor? Contiguous(Tensor gradient) => gradient.IsInvalid ? null : gradient.contiguous();

    private static Span<float> Floats(Tensor tensor) => new(Memory(tensor), checked((int)tensor.numel()));

    // A span holds less than a large weight: the first value has the address of all.
    private static float* Memory(Tensor tensor)
    {
        if (tensor.numel() == 0) return null;
        using var flat = tensor.view(-1);
        using var first = flat.narrow(0, 0, 1);
        fixed (byte* bytes = first.bytes) return (float*)bytes;
    }
}
