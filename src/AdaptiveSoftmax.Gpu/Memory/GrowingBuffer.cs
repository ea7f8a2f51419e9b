using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>A buffer of a <see cref="Scratch"/>.</summary>
internal abstract class GrowingBuffer
{
    public abstract long Bytes { get; }

    public abstract void Release();
}

/// <summary>A buffer of a <see cref="Scratch"/>.</summary>
internal sealed class GrowingBuffer<T>(Accelerator accelerator, string purpose) : GrowingBuffer
    where T : unmanaged
{
    private MemoryBuffer1D<T, Stride1D.Dense>? _buffer;

    public override long Bytes => _buffer?.LengthInBytes ?? 0;

    /// <summary>All that is there. At least as long as asked for last.</summary>
    public ArrayView<T> View => _buffer is null ? throw new InvalidOperationException($"There is no memory for {purpose} yet.") : _buffer.View;

    public void Reserve(long length)
    {
        if (_buffer is not null && _buffer.Length >= length) return;
        // The old one goes first, so that growing does not need the memory of both.
        if (_buffer is not null) accelerator.Synchronize();
        Release();
        _buffer = DeviceMemory.Allocate<T>(accelerator, length, purpose);
    }

    public override void Release()
    {
        _buffer?.Dispose();
        _buffer = null;
    }
}
