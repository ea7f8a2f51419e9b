using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The four products of one weight [rows, columns] in bfloat16. Each reads the number of tokens from the plan on the
/// device, and what a chunk of the weight's rows is; the factors' tokens stand from row 0 on. Strides are multiples of 8
/// values, with zeros behind the columns. A pass behind the last chunk does nothing.
/// </summary>
internal interface ITensorProducts
{
    /// <summary>
    /// For each token and strip of tiles of 128 weight rows the pair of maximum and sum of exponentials, [strips, tokens], and
    /// the target's logit.
    /// </summary>
    void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int cluster,
        int tilesPerStrip, ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits);

    /// <summary>scale · (softmax − target) of a chunk of the weight's rows, [tokens, chunk].</summary>
    void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int cluster,
        int pass, ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> scale, ArrayView<ushort> gradient);

    /// <summary>
    /// gradient · weight, set by the first pass and added to by others: the cluster's rows of [batch, stride], or where the plan
    /// asks for several shares of the sums [shares, tokens, stride].
    /// </summary>
    void InputGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> weights, ArrayView<BatchPlan> plan, int cluster,
        int pass, ArrayView<float> output, ArrayView<float> shares);

    /// <summary>
    /// gradientᵀ · inputs: set in the chunk's rows of the weight's gradient or, where it has one, added. In several
    /// shares of the tokens, each [rows, stride], only where all rows are one chunk.
    /// </summary>
    void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> inputs, ArrayView<BatchPlan> plan, int cluster,
        int pass, ArrayView<float> shares, int splits);
}
