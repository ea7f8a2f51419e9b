using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The plan of a product over all tokens, for the kernels that the layer's parts use as well.</summary>
internal sealed class MatrixPlan(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<PartPlan>, int> Set =>
        field ??= accelerator.LoadKernel<ArrayView<PartPlan>, int>(SetAll);

    /// <summary>One part with every token.</summary>
    public static void SetAll(ArrayView<PartPlan> plan, int tokens)
    {
        PartPlan all = default;
        all.Count = tokens;
        plan[0] = all;
    }
}
