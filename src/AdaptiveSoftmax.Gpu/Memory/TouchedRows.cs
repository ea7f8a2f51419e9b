using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The rows that a row-sparse gradient has, known to the device alone. All other rows of the gradient are 0.</summary>
internal sealed class TouchedRows : IDisposable
{
    private readonly Accelerator _accelerator;
    private readonly RowKernels _kernels;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _isTouched;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _rows;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _count;
    private readonly int _capacity;

    public TouchedRows(Accelerator accelerator, int rows, string name)
    {
        _accelerator = accelerator;
        _capacity = rows;
        _kernels = KernelCache.Get(accelerator, device => new RowKernels(device));
        _isTouched = DeviceMemory.AllocateZeros<int>(accelerator, rows, $"the touched rows of '{name}'");
        _rows = DeviceMemory.Allocate<int>(accelerator, rows, $"the touched rows of '{name}'");
        _count = DeviceMemory.AllocateZeros<int>(accelerator, 1, $"the touched rows of '{name}'");
    }

    /// <summary>The rows, as many as <see cref="Count"/> says, each once and in no particular order.</summary>
    public ArrayView<int> Rows => _rows.View;

    /// <summary>Their number, one value.</summary>
    public ArrayView<int> Count => _count.View;

    public long Bytes => _isTouched.LengthInBytes + _rows.LengthInBytes + _count.LengthInBytes;

    public void Add(ArrayView<int> rows) =>
        _kernels.Touch(_accelerator.DefaultStream, Launches.Threads(_accelerator, rows.Length), rows, _isTouched.View, _rows.View, _count.View, _capacity);

    /// <summary>Sets the touched rows of the gradient to 0 and forgets them.</summary>
    public void Clear(ArrayView<float> gradient, int stride)
    {
        _kernels.Clear(_accelerator.DefaultStream, Launches.Threads(_accelerator, gradient.Length), gradient, _isTouched.View, _rows.View, _count.View, stride);
        _kernels.Forget(_accelerator.DefaultStream, (1, 1), _count.View);
    }

    public void Dispose()
    {
        _isTouched.Dispose();
        _rows.Dispose();
        _count.Dispose();
    }
}
