using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Buffers that are made and released together. Where one of them finds no room, those before it are released: what
/// cannot be made as a whole keeps nothing.
/// </summary>
internal sealed class DeviceBuffers(Accelerator accelerator) : IDisposable
{
    private readonly List<MemoryBuffer> _buffers = [];

    public bool IsDisposed { get; private set; }

    public long Bytes => _buffers.Sum(buffer => buffer.LengthInBytes);

    /// <inheritdoc cref="DeviceMemory.Allocate"/>
    public ArrayView<T> Allocate<T>(long length, string purpose)
        where T : unmanaged => Add(() => DeviceMemory.Allocate<T>(accelerator, length, purpose));

    /// <inheritdoc cref="DeviceMemory.AllocateZeros"/>
    public ArrayView<T> AllocateZeros<T>(long length, string purpose)
        where T : unmanaged => Add(() => DeviceMemory.AllocateZeros<T>(accelerator, length, purpose));

    /// <summary>Allocates memory with a copy of values of the host.</summary>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public ArrayView<T> Upload<T>(T[] values, string purpose)
        where T : unmanaged => Add(() => DeviceMemory.AllocateCopy(accelerator, values, purpose));

    public void Dispose()
    {
        IsDisposed = true;
        foreach (var buffer in _buffers) buffer.Dispose();
    }

    private ArrayView<T> Add<T>(Func<MemoryBuffer1D<T, Stride1D.Dense>> allocate)
        where T : unmanaged
    {
        try
        {
            var buffer = allocate();
            _buffers.Add(buffer);
            return buffer.View;
        }
        catch
        {
            Dispose();
            throw;
        }
    }
}
