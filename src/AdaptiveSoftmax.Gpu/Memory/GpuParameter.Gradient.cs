using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

// Gradients that a caller's own kernels write.
public sealed partial class GpuParameter
{
    /// <summary>Which rows of the gradient a step can reach.</summary>
    public GradientLayout GradientLayout { get; }

    /// <summary>The rows of a row-sparse gradient; null for a dense one.</summary>
    internal TouchedRows? TouchedRows { get; private set; }

    /// <summary>
    /// Marks the gradient as present and hands it out for a kernel on the accelerator's default stream to add to. One
    /// that was absent, as after each step, is set to 0 before. Waits for nothing.
    /// </summary>
    /// <returns>[rows, stride]; between the columns and the stride it must stay 0.</returns>
    /// <exception cref="InvalidOperationException">The gradient is row-sparse; use <see cref="TouchGradientRows"/>. Or the parameter is frozen.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for a gradient.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ArrayView<float> TouchGradient()
    {
        CheckLearns();
        if (TouchedRows is not null)
            throw new InvalidOperationException($"The gradient of '{Name}' is row-sparse; take it from TouchGradientRows, which is told the rows.");
        var gradient = Gradient;
        var kernels = KernelCache.Get(Accelerator, accelerator => new RowKernels(accelerator));
        kernels.ClearAbsent(Accelerator.DefaultStream, Launches.Threads(Accelerator, PaddedCount), gradient, State);
        kernels.Mark(Accelerator.DefaultStream, (1, 1), State);
        return gradient;
    }

    /// <summary>
    /// Marks rows of a row-sparse gradient as present and hands the gradient out for a kernel on the accelerator's
    /// default stream to add to in these rows; what was absent is 0. A step then costs what its rows cost, not the whole
    /// table. Waits for nothing.
    /// </summary>
    /// <param name="rows">The rows, any of them more than once; an index that is no row is skipped.</param>
    /// <returns>[rows, stride]; rows that are not touched, and what lies between the columns and the stride, must stay 0.</returns>
    /// <exception cref="InvalidOperationException">The gradient is dense; use <see cref="TouchGradient"/>. Or the parameter is frozen.</exception>
    /// <exception cref="ArgumentException">The view belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for a gradient.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ArrayView<float> TouchGradientRows(ArrayView<int> rows)
    {
        CheckLearns();
        if (TouchedRows is null)
            throw new InvalidOperationException($"The gradient of '{Name}' is dense; take it from TouchGradient, or create the parameter with GradientLayout.SparseRows.");
        var gradient = Gradient;
        if (rows.Length == 0) return gradient;
        if (rows.GetAccelerator() != Accelerator)
            throw new ArgumentException($"The rows lie in the memory of '{rows.GetAccelerator().Name}', which is another accelerator than that of '{Name}', '{Accelerator.Name}'; allocate them there.", nameof(rows));
        TouchedRows.Add(rows);
        KernelCache.Get(Accelerator, accelerator => new RowKernels(accelerator)).Mark(Accelerator.DefaultStream, (1, 1), State);
        return gradient;
    }
}
