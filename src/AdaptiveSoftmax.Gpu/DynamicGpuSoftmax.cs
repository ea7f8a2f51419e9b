using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// An adaptive softmax on a device whose sizes are known only at run time, and whose token ids are its slots: for
/// experiments, tests and tools. With <see cref="SoftmaxLayout.CreateFull"/> it is a full softmax on the same kernels.
/// </summary>
public sealed class DynamicGpuSoftmax : GpuAdaptiveSoftmax
{
    /// <summary>Creates a layer and initialises it as PyTorch does.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="seed">The seed of the initialisation.</param>
    /// <param name="options">How the layer runs; null for <see cref="GpuOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public DynamicGpuSoftmax(Accelerator accelerator, SoftmaxLayout layout, ulong seed = 1, GpuOptions? options = null)
        : this(accelerator, layout, tensorCores: null, seed, options)
    {
    }

    /// <summary>Creates a layer with generated kernels of the same widths, head first.</summary>
    internal DynamicGpuSoftmax(Accelerator accelerator, SoftmaxLayout layout, IReadOnlyList<TensorCoreMethods>? tensorCores, ulong seed, GpuOptions? options)
        : base(accelerator, Identify(layout), CreateHead(accelerator, layout, tensorCores?[0]), CreateTails(accelerator, layout, tensorCores), options) => Initialize(seed);

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) => (uint)tokenId < (uint)Layout.VocabularySize ? tokenId : -1;

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => slot;

    private static SoftmaxIdentity Identify(SoftmaxLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return new SoftmaxIdentity(layout, Fingerprint: "", VocabularyFingerprint: "");
    }

    private static GpuHead<MatrixShape> CreateHead(Accelerator accelerator, SoftmaxLayout layout, TensorCoreMethods? tensorCores) =>
        new(accelerator, new MatrixShape(layout.HeadRows, layout.HiddenSize), layout.TailCount, layout.HasHeadBias, tensorCores);

    private static GpuTail<MatrixShape, MatrixShape>[] CreateTails(Accelerator accelerator, SoftmaxLayout layout, IReadOnlyList<TensorCoreMethods>? tensorCores) =>
    [
        .. layout.Tails.Select(tail => new GpuTail<MatrixShape, MatrixShape>(
            accelerator,
            tail.Index,
            new MatrixShape(tail.ProjectionWidth, layout.HiddenSize),
            new MatrixShape(tail.Size, tail.ProjectionWidth),
            tensorCores?[tail.Cluster])),
    ];
}
