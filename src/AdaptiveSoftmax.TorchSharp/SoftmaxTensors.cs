using AdaptiveSoftmax.Vocabulary;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>The weights of a module, or what a graph saved of them.</summary>
/// <param name="Head">[shortlist + clusters, in]</param>
/// <param name="Bias">[shortlist + clusters]; null where the head has none.</param>
/// <param name="Tails">A projection, [width, in], and an output, [size, width], for each tail.</param>
internal sealed record SoftmaxTensors(Tensor Head, Tensor? Bias, IReadOnlyList<(Tensor Projection, Tensor Output)> Tails)
{
    /// <summary>Takes weights in the order of a layer's parameters.</summary>
    public static SoftmaxTensors From(SoftmaxLayout layout, IReadOnlyList<Tensor> ordered)
    {
        var first = layout.HasHeadBias ? 2 : 1;
        return new SoftmaxTensors(
            ordered[0], layout.HasHeadBias ? ordered[1] : null, [.. layout.Tails.Select(tail => (ordered[first + (2 * tail.Index)], ordered[first + (2 * tail.Index) + 1]))]);
    }
}
