using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// An adaptive softmax whose sizes are known only at run time, and whose token ids are its slots: for experiments, tests
/// and tools. With <see cref="SoftmaxLayout.CreateFull"/> it is a full softmax on the same kernels.
/// </summary>
public sealed class DynamicAdaptiveSoftmax : AdaptiveSoftmaxLayer
{
    /// <summary>Creates a layer and initialises it as PyTorch does.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="seed">The seed of the initialisation.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public DynamicAdaptiveSoftmax(SoftmaxLayout layout, ulong seed = 1, AdaptiveSoftmaxOptions? options = null)
        : base(Identify(layout), CreateHead(layout), CreateTails(layout), options) => Initialize(seed);

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) => (uint)tokenId < (uint)Layout.VocabularySize ? tokenId : -1;

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => slot;

    // There is no vocabulary to take a fingerprint of: any weights of the same sizes fit.
    private static SoftmaxIdentity Identify(SoftmaxLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return new SoftmaxIdentity(layout, Fingerprint: "", VocabularyFingerprint: "");
    }

    private static HeadLayer<MatrixShape> CreateHead(SoftmaxLayout layout) =>
        new(new MatrixShape(layout.HeadRows, layout.HiddenSize), layout.HasHeadBias);

    private static TailLayer<MatrixShape, MatrixShape>[] CreateTails(SoftmaxLayout layout) =>
    [
        .. layout.Tails.Select(tail => new TailLayer<MatrixShape, MatrixShape>(
            tail.Index,
            new MatrixShape(tail.ProjectionWidth, layout.HiddenSize),
            new MatrixShape(tail.Size, tail.ProjectionWidth))),
    ];
}
