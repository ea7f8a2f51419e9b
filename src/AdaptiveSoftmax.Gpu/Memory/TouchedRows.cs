using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The rows that a row-sparse gradient has, known to the device alone. All other rows of the gradient are 0.</summary>
internal sealed class TouchedRows
{
    private readonly Accelerator _accelerator;
    private readonly RowKernels _kernels;
    private readonly ArrayView<int> _isTouched;
    private readonly int _capacity;

    public TouchedRows(Accelerator accelerator, DeviceBuffers buffers, int rows, string name)
    {
        _accelerator = accelerator;
        _capacity = rows;
        _kernels = KernelCache.Get(accelerator, device => new RowKernels(device));
        var purpose = $"the touched rows of '{name}'";
        _isTouched = buffers.AllocateZeros<int>(rows, purpose);
        Rows = buffers.Allocate<int>(rows, purpose);
        Count = buffers.AllocateZeros<int>(1, purpose);
    }

    /// <summary>The rows, as many as <see cref="Count"/> says, each once and in no particular order.</summary>
    public ArrayView<int> Rows { get; }

    /// <summary>Their number, one value.</summary>
    public ArrayView<int> Count { get; }

    public void Add(ArrayView<int> rows) =>
        _kernels.Touch(_accelerator.DefaultStream, Launches.Threads(_accelerator, rows.Length), rows, _isTouched, Rows, Count, _capacity);

    /// <summary>Sets the touched rows of the gradient to 0 and forgets them.</summary>
    public void Clear(ArrayView<float> gradient, int stride)
    {
        _kernels.Clear(_accelerator.DefaultStream, Launches.Threads(_accelerator, gradient.Length), gradient, _isTouched, Rows, Count, stride);
        _kernels.Forget(_accelerator.DefaultStream, (1, 1), Count);
    }
}
