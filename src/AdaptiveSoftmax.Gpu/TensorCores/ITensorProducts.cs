using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The four products of one weight [rows, columns] in bfloat16 with the tokens of a chunk. Each reads their number from the
/// plan on the device; the factors' tokens stand from row 0 on. Strides are multiples of 8 values, with zeros behind the columns.
/// </summary>
internal interface ITensorProducts
{
    /// <summary>
    /// For each token and strip of tiles of 128 weight rows the pair of maximum and sum of exponentials, [strips, tokens], and
    /// the target's logit.
    /// </summary>
    void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int place,
        int tilesPerStrip, ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits);

    /// <summary>scale · (softmax − target), [tokens, rows in whole tiles].</summary>
    void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<BatchPlan> plan, int place,
        ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> scale, ArrayView<ushort> gradient);

    /// <summary>
    /// gradient · weight: the chunk's rows of [batch, stride], or where the plan splits the sums [splits, tokens, stride].
    /// </summary>
    void InputGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> weights, ArrayView<BatchPlan> plan, int place, ArrayView<float> output, ArrayView<float> splitSums);

    /// <summary>
    /// gradientᵀ · inputs: set in the weight's gradient or, where the state says that it has one, added. Where it is split over
    /// the tokens, in sums [splits, rows, stride].
    /// </summary>
    void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, ArrayView<ushort> inputs, ArrayView<BatchPlan> plan, int place, ArrayView<int> state, ArrayView<float> splitSums, int splits);
}
