using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>One forward pass by this project's kernels, on the tensors' own memory, and its backward passes.</summary>
/// <remarks>
/// Both results are one tensor, [N + 1] or, where each target has its loss, [2N]: output, then loss. So they are one result of
/// one node in the graph, whichever of them is used.
/// </remarks>
/// <param name="module">The module.</param>
/// <param name="pass">The kernels' side of it.</param>
/// <param name="wantsGradient">Which of input and weights want a gradient.</param>
internal sealed unsafe class FusedCall(AdaptiveLogSoftmaxWithLoss module, DeferredPass pass, bool[] wantsGradient)
{
    private int TokenCount => pass.Slots.Count;

    private bool IsReduced => module.reduction != nn.Reduction.None;

    /// <summary>The number of tensors: the input and the weights.</summary>
    public int TensorCount => wantsGradient.Length;

    /// <summary>Which of input and weights want a gradient.</summary>
    public IReadOnlyList<bool> WantsGradient => wantsGradient;

    /// <summary>The gradients that libtorch has yet to take.</summary>
    public IReadOnlyList<Tensor?> Held { get; private set; } = [];

    /// <summary>Where the gradients of the last backward pass were written.</summary>
    internal IReadOnlyList<nint> Written { get; private set; } = [];

    /// <summary>Keeps gradients until <see cref="Release"/>.</summary>
    public void Hold(IReadOnlyList<Tensor?> gradients)
    {
        Release();
        foreach (var gradient in gradients) gradient?.DetachFromDisposeScope();
        Held = gradients;
    }

    /// <summary>Lets go of the gradients, which libtorch has taken.</summary>
    public void Release()
    {
        foreach (var gradient in Held) gradient?.Dispose();
        Held = [];
    }

    /// <summary>Output, [N], and loss, [] or [N], of what stands for both; views of it.</summary>
    public (Tensor Output, Tensor Loss) Split(Tensor results) =>
        (results.narrow(0, 0, TokenCount), IsReduced ? results.select(0, TokenCount) : results.narrow(0, TokenCount, TokenCount));

    /// <summary>Output and loss in one.</summary>
    /// <param name="tensors">Input and weights.</param>
    /// <param name="keepsLogits">Whether a backward pass may come.</param>
    public Tensor Forward(IReadOnlyList<Tensor> tensors, bool keepsLogits)
    {
        var results = empty([IsReduced ? TokenCount + 1 : 2 * TokenCount], ScalarType.Float32, CPU);
        var values = Floats(results);
        var (head, tails) = Borrow(tensors, gradients: null);
        var loss = pass.Forward(LibTorchThreads.Pool, head, tails, Input(tensors), values[..TokenCount], IsReduced ? [] : values[TokenCount..], keepsLogits);
        if (IsReduced) values[TokenCount] = loss;
        GC.KeepAlive(tensors);
        GC.KeepAlive(results);
        return results;
    }

    /// <summary>The gradients of input and weights; null for one that is not wanted or that no target reaches.</summary>
    /// <param name="tensors">Input and weights as they were in the forward pass.</param>
    /// <param name="incoming">The gradient of output and loss.</param>
    public Tensor?[] Backward(IReadOnlyList<Tensor> tensors, Tensor incoming)
    {
        Tensor?[] gradients = [.. tensors.Select((tensor, i) => wantsGradient[i] && Reaches(i) ? CreateGradient(tensor) : null)];
        Written = [.. gradients.OfType<Tensor>().Select(gradient => (nint)Memory(gradient))];
        var plain = incoming.contiguous();
        var values = Floats(plain);
        var byOutput = values[..TokenCount];
        var byLoss = values[TokenCount..];
        var (head, tails) = Borrow(tensors, gradients);
        pass.Backward(
            LibTorchThreads.Pool,
            head,
            tails,
            Input(tensors),
            gradients[0] is { } inputGradient ? Memory(inputGradient) : null,
            // A result that nobody used has a gradient of zeros.
            byOutput.ContainsAnyExcept(0f) ? byOutput : [],
            lossScale: IsReduced ? byLoss[0] : 1,
            IsReduced ? [] : byLoss);
        GC.KeepAlive(tensors);
        GC.KeepAlive(gradients);
        GC.KeepAlive(plain);
        return gradients;
    }

    /// <summary>The same as a graph of its own, from which second derivatives follow.</summary>
    public Tensor?[] DifferentiableBackward(IReadOnlyList<Tensor> tensors, Tensor incoming)
    {
        var (output, loss) = module.Compose(tensors[0], Targets(), SoftmaxTensors.From(module.Layout, [.. tensors.Skip(1)]));
        var (byOutput, byLoss) = Split(incoming);
        int[] wanted = [.. Enumerable.Range(0, tensors.Count).Where(i => wantsGradient[i] && Reaches(i))];
        var found = autograd.grad([output, loss], [.. wanted.Select(i => tensors[i])], [byOutput, byLoss], retain_graph: true, create_graph: true, allow_unused: true);
        var gradients = new Tensor?[tensors.Count];
        foreach (var (i, gradient) in wanted.Zip(found)) gradients[i] = gradient.IsInvalid ? null : gradient;
        return gradients;
    }

    private Tensor Targets() => tensor(pass.Slots.Select(slot => slot == TrainingBatch.Ignored ? module.ignore_index : slot).ToArray(), ScalarType.Int64, CPU);

    // Input; head, and its bias; projection and output of each tail.
    private bool Reaches(int index)
    {
        var first = module.Layout.HasHeadBias ? 3 : 2;
        return index < first || pass.Reaches((index - first) / 2);
    }

    // The kernels write all of what they reach; without a target they reach nothing.
    private Tensor CreateGradient(Tensor tensor) =>
        pass.ActiveCount == 0 ? zeros(tensor.shape, ScalarType.Float32, CPU) : empty(tensor.shape, ScalarType.Float32, CPU);

    private float* Input(IReadOnlyList<Tensor> tensors) => Memory(tensors[0], "The input", TokenCount, module.Layout.HiddenSize);

    private (ITrainingCluster Head, ITrainingCluster[] Tails) Borrow(IReadOnlyList<Tensor> tensors, Tensor?[]? gradients)
    {
        var layout = module.Layout;
        var next = 1;
        var head = new HeadLayer<MatrixShape>(
            new MatrixShape(layout.HeadRows, layout.HiddenSize),
            Take("head.weight", layout.HeadRows, layout.HiddenSize),
            layout.HasHeadBias ? Take("head.bias", layout.HeadRows, 1) : null);
        head.SetLayout(layout);
        return (head.Cluster, [.. layout.Tails.Select(TakeTail)]);

        ITrainingCluster TakeTail(TailCluster tail) => new TailLayer<MatrixShape, MatrixShape>(
            new MatrixShape(tail.ProjectionWidth, layout.HiddenSize),
            new MatrixShape(tail.Size, tail.ProjectionWidth),
            Take(string.Create(CultureInfo.InvariantCulture, $"tail.{tail.Index}.0.weight"), tail.ProjectionWidth, layout.HiddenSize),
            Take(string.Create(CultureInfo.InvariantCulture, $"tail.{tail.Index}.1.weight"), tail.Size, tail.ProjectionWidth)).Cluster;

        Parameter Take(string name, int rows, int columns)
        {
            var gradient = gradients?[next] is { } own ? Memory(own) : null;
            return Parameter.Borrow(name, rows, columns, isVector: false, Memory(tensors[next++], name, rows, columns), gradient);
        }
    }

    private static Span<float> Floats(Tensor tensor) => new(Memory(tensor), checked((int)tensor.numel()));

    // A kernel goes by the sizes of the module: no tensor may be smaller.
    private static float* Memory(Tensor tensor, string name, long rows, long columns)
    {
        if (tensor.numel() != rows * columns)
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"{name} has the shape [{string.Join(", ", tensor.shape)}], which is not its {rows} × {columns} values; somebody changed it since the forward pass."));
        return Memory(tensor);
    }

    // A span holds less than a large weight: the first value has the address of all.
    private static float* Memory(Tensor tensor)
    {
        if (tensor.numel() == 0) return null;
        using var flat = tensor.view(-1);
        using var first = flat.narrow(0, 0, 1);
        fixed (byte* bytes = first.bytes) return (float*)bytes;
    }
}
