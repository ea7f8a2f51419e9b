using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The optimizers over the touched rows of a row-sparse gradient, as on the CPU: a row without a gradient keeps its
/// values and its state. A parameter that takes no part in a step has no rows in it.
/// </summary>
internal sealed class RowUpdateKernels(Accelerator accelerator)
{
    public Action<AcceleratorStream, KernelConfig, Rows, ArrayView<float>, ArrayView<float>, UpdateArguments> Sgd =>
        field ??= accelerator.LoadKernel<Rows, ArrayView<float>, ArrayView<float>, UpdateArguments>(SgdRows);

    public Action<AcceleratorStream, KernelConfig, Rows, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments> Momentum =>
        field ??= accelerator.LoadKernel<Rows, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments>(MomentumRows);

    public Action<AcceleratorStream, KernelConfig, Rows, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments> Adagrad =>
        field ??= accelerator.LoadKernel<Rows, ArrayView<float>, ArrayView<float>, ArrayView<int>, ArrayView<float>, UpdateArguments>(AdagradRows);

    public Action<AcceleratorStream, KernelConfig, Rows, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, UpdateArguments> AdamW =>
        field ??= accelerator.LoadKernel<Rows, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, ArrayView<float>, UpdateArguments>(AdamWRows);

    public static void SgdRows(Rows rows, ArrayView<float> values, ArrayView<float> gradient, UpdateArguments arguments)
    {
        for (long i = Grid.GlobalLinearIndex; i < rows.Values; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.Sgd(values, gradient, rows.At(i), arguments);
    }

    public static void MomentumRows(Rows rows, ArrayView<float> values, ArrayView<float> gradient, ArrayView<int> state, ArrayView<float> buffer, UpdateArguments arguments)
    {
        var fresh = UpdateRules.Fresh(state, arguments);
        for (long i = Grid.GlobalLinearIndex; i < rows.Values; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.Momentum(values, gradient, buffer, rows.At(i), fresh, arguments);
    }

    public static void AdagradRows(Rows rows, ArrayView<float> values, ArrayView<float> gradient, ArrayView<int> state, ArrayView<float> sum, UpdateArguments arguments)
    {
        var rate = UpdateRules.AdagradRate(state, arguments);
        for (long i = Grid.GlobalLinearIndex; i < rows.Values; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.Adagrad(values, gradient, sum, rows.At(i), rate, arguments);
    }

    public static void AdamWRows(
        Rows rows, ArrayView<float> values, ArrayView<float> gradient, ArrayView<float> mean, ArrayView<float> square,
        ArrayView<float> corrections, UpdateArguments arguments)
    {
        var rate = arguments.Rate / corrections[0];
        var rootCorrection = XMath.Sqrt(corrections[1]);
        for (long i = Grid.GlobalLinearIndex; i < rows.Values; i += (long)Grid.DimX * Group.DimX)
            UpdateRules.AdamW(values, gradient, mean, square, rows.At(i), rate, rootCorrection, arguments);
    }

    /// <summary>The touched rows as a kernel sees them.</summary>
    /// <param name="touched">The rows.</param>
    /// <param name="count">The number of those that a kernel treats, one value.</param>
    /// <param name="stride">The values from one row to the next.</param>
    internal readonly struct Rows(ArrayView<int> touched, ArrayView<int> count, int stride)
    {
        /// <summary>The values in the touched rows.</summary>
        public long Values => (long)count[0] * stride;

        /// <summary>Where one of these values lies in the table.</summary>
        public long At(long i) => ((long)touched[i / stride] * stride) + (i % stride);
    }
}
