using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>A buffer that grows to the largest batch seen and then stays, so that later steps allocate nothing.</summary>
internal sealed class GrowingBuffer<T>(Accelerator accelerator, string purpose) : IDisposable
    where T : unmanaged
{
    private MemoryBuffer1D<T, Stride1D.Dense>? _buffer;

    /// <summary>How often there was other memory than before.</summary>
    public int Generation { get; private set; }

    public long Bytes => _buffer?.LengthInBytes ?? 0;

    /// <summary>All that is there. At least as long as asked for last.</summary>
    public ArrayView<T> View => _buffer is null ? throw new InvalidOperationException($"There is no memory for {purpose} yet.") : _buffer.View;

    public void Reserve(long length)
    {
        if (_buffer is not null && _buffer.Length >= length) return;
        // The old one goes first, so that growing does not need the memory of both.
        if (_buffer is not null) accelerator.Synchronize();
        _buffer?.Dispose();
        _buffer = null;
        Generation++;
        _buffer = DeviceMemory.Allocate<T>(accelerator, length, purpose);
    }

    public void Dispose() => _buffer?.Dispose();
}
