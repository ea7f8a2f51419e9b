using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Gradients that are written outside the library's products: dense ones that must be 0 before something is added, and
/// row-sparse ones, of which the device keeps a list of the touched rows.
/// </summary>
internal sealed class RowKernels(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>> ClearAbsent =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>>(ClearAbsentGradient);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>> Mark =>
        field ??= accelerator.LoadKernel<ArrayView<int>>(MarkGradient);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int> Touch =>
        field ??= accelerator.LoadKernel<ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int>(TouchRows);

    public Action<AcceleratorStream, KernelConfig, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int> Clear =>
        field ??= accelerator.LoadKernel<ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, int>(ClearRows);

    public Action<AcceleratorStream, KernelConfig, ArrayView<int>> Forget =>
        field ??= accelerator.LoadKernel<ArrayView<int>>(ForgetRows);

    /// <summary>Zeros where there is no gradient: what the memory holds then is that of an earlier step.</summary>
    public static void ClearAbsentGradient(ArrayView<float> gradient, ArrayView<int> state)
    {
        if (state[ParameterState.HasGradient] != 0) return;
        for (long i = Grid.GlobalLinearIndex; i < gradient.Length; i += (long)Grid.DimX * Group.DimX) gradient[i] = 0f;
    }

    /// <summary>Notes that there is a gradient. A launch of its own: another group may still have to see that there was none.</summary>
    public static void MarkGradient(ArrayView<int> state) => state[ParameterState.HasGradient] = 1;

    /// <summary>
    /// Adds rows to the list, each once. In which order they come is left to chance, and changes no result: whatever
    /// reads the list treats each row by itself.
    /// </summary>
    public static void TouchRows(ArrayView<int> indices, ArrayView<int> isTouched, ArrayView<int> touched, ArrayView<int> count, int rows)
    {
        for (long i = Grid.GlobalLinearIndex; i < indices.Length; i += (long)Grid.DimX * Group.DimX)
        {
            var row = indices[i];
            if (row < 0 || row >= rows) continue;
            if (Atomic.CompareExchange(ref isTouched[row], 0, 1) != 0) continue;
            touched[Atomic.Add(ref count[0], 1)] = row;
        }
    }

    /// <summary>Zeros in the touched rows, which then are no longer marked.</summary>
    public static void ClearRows(ArrayView<float> gradient, ArrayView<int> isTouched, ArrayView<int> touched, ArrayView<int> count, int stride)
    {
        var values = (long)count[0] * stride;
        for (long i = Grid.GlobalLinearIndex; i < values; i += (long)Grid.DimX * Group.DimX)
        {
            var row = touched[i / stride];
            var column = i % stride;
            gradient[((long)row * stride) + column] = 0f;
            if (column == 0) isTouched[row] = 0;
        }
    }

    /// <summary>Empties the list.</summary>
    public static void ForgetRows(ArrayView<int> count) => count[0] = 0;
}
