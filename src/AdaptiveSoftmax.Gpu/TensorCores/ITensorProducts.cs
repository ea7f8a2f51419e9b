using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The four products of one weight [rows, columns] in bfloat16. Each reads the number of tokens from the plan on the
/// device; the tokens stand from row 0 on. Strides count values and are multiples of 8, with zeros behind the columns.
/// </summary>
internal interface ITensorProducts
{
    /// <summary>For each token and tile of 128 weight rows the pair of maximum and sum of exponentials, [tiles, capacity], and the target's logit.</summary>
    void Logits(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<PartPlan> plan, int part,
        ArrayView<float> pairs, ArrayView<int> targets, ArrayView<float> targetLogits);

    /// <summary>weight · (softmax − target) of the weight's rows from <paramref name="first"/> on, [tokens, stride].</summary>
    void Gradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> inputs, ArrayView<ushort> weights, GpuParameter? bias, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> logSumExp, ArrayView<int> targets, ArrayView<float> tokenWeight, ArrayView<ushort> gradient, int stride);

    /// <summary>gradient · weight, [tokens, columns], set or added.</summary>
    void InputGradient(
        AcceleratorStream stream, int tokens, ArrayView<ushort> gradient, int stride, ArrayView<ushort> weights, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> output, bool accumulate);

    /// <summary>gradientᵀ · inputs, added to the rows of the weight's gradient from <paramref name="first"/> on.</summary>
    void WeightGradient(
        AcceleratorStream stream, ArrayView<ushort> gradient, int stride, ArrayView<ushort> inputs, ArrayView<PartPlan> plan, int part,
        int first, int count, ArrayView<float> output);
}
