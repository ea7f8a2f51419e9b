using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The plan of a product over all tokens, for the kernels that the layer's clusters use as well.</summary>
internal sealed class MatrixPlan(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<BatchPlan>, int> Set =>
        field ??= accelerator.LoadKernel<ArrayView<BatchPlan>, int>(SetAll);

    /// <summary>One cluster with every token.</summary>
    public static void SetAll(ArrayView<BatchPlan> plan, int tokens)
    {
        BatchPlan all = default;
        all.Count = tokens;
        plan[0] = all;
    }
}
