using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Whether a step can take gradients: values that are finite and whose squares are, which optimizers sum up. The rule is the
/// CPU's, so that both leave out the same steps.
/// </summary>
internal sealed class GradientCheckKernels(Accelerator accelerator)
{
    // 2⁶⁴, the least value whose square float32 cannot hold; bits of the infinities and of what is no number lie above.
    private const int FirstFaultyBits = 0x5F800000;
    private const int Magnitude = 0x7FFFFFFF;

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<int>> CheckAll =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<int>>(CheckValues, Launches.Specialization);

    public Action<AcceleratorStream, KernelConfig, RowUpdateKernels.Rows, ArrayView<float>, ArrayView<int>> CheckTouched =>
        field ??= accelerator.LoadKernel<RowUpdateKernels.Rows, ArrayView<float>, ArrayView<int>>(CheckRows);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>> Conclude =>
        field ??= accelerator.LoadKernel<ArrayView<int>>(ConcludeStep, Launches.Specialization);

    /// <summary>Looks at a dense gradient, if there is one.</summary>
    public static void CheckValues(ArrayView<float> gradient, ArrayView<int> state, ArrayView<int> status)
    {
        if (state[ParameterState.HasGradient] == 0) return;
        for (long i = Grid.GlobalLinearIndex; i < gradient.Length; i += (long)Grid.DimX * Group.DimX) Check(gradient[i], status);
    }

    /// <summary>Looks at the touched rows of a row-sparse gradient.</summary>
    public static void CheckRows(RowUpdateKernels.Rows rows, ArrayView<float> gradient, ArrayView<int> status)
    {
        for (long i = Grid.GlobalLinearIndex; i < rows.Values; i += (long)Grid.DimX * Group.DimX) Check(gradient[rows.At(i)], status);
    }

    /// <summary>Notes whether the step was left out, and makes ready for the next.</summary>
    public static void ConcludeStep(ArrayView<int> status)
    {
        status[StepStatus.WasLeftOut] = status[StepStatus.IsFaulty];
        status[StepStatus.LeftOut] += status[StepStatus.IsFaulty];
        status[StepStatus.IsFaulty] = 0;
    }

    private static void Check(float value, ArrayView<int> status)
    {
        if ((Interop.FloatAsInt(value) & Magnitude) >= FirstFaultyBits) Atomic.Or(ref status[StepStatus.IsFaulty], 1);
    }
}
