using ILGPU;
using ILGPU.Runtime;

namespace LanguageModelSample;

/// <summary>Memory on a device that grows to the largest batch seen and then stays.</summary>
internal sealed class DeviceArray<T>(Accelerator accelerator) : IDisposable
    where T : unmanaged
{
    private MemoryBuffer1D<T, Stride1D.Dense>? _buffer;

    public long Bytes => _buffer?.LengthInBytes ?? 0;

    /// <summary>The first values. What they held before is lost where the memory grows.</summary>
    public ArrayView<T> Take(int length)
    {
        if (_buffer is null || _buffer.Length < length)
        {
            // What is under way may still use it.
            accelerator.Synchronize();
            _buffer?.Dispose();
            _buffer = null;
            _buffer = accelerator.Allocate1D<T>(length);
        }

        return _buffer.View.SubView(0, length);
    }

    /// <summary>Copies values to the device, and gives them there.</summary>
    public ArrayView<T> Upload(ReadOnlySpan<T> values)
    {
        var view = Take(values.Length);
        view.CopyFromCPU(accelerator.DefaultStream, values);
        return view;
    }

    public void Dispose() => _buffer?.Dispose();
}
