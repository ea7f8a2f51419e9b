using System.Numerics;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>Copies between host and device, and counts their bytes.</summary>
internal sealed class HostTraffic(Accelerator accelerator)
{
    /// <summary>The bytes that went to the device.</summary>
    public long BytesUp { get; private set; }

    /// <summary>The bytes that came back.</summary>
    public long BytesDown { get; private set; }

    private AcceleratorStream Stream => accelerator.DefaultStream;

    public void Upload<T>(ReadOnlySpan<T> values, GrowingBuffer<T> buffer)
        where T : unmanaged
    {
        buffer.Reserve(BitOperations.RoundUpToPowerOf2((uint)values.Length));
        if (values.Length == 0) return;
        Upload(values, buffer.View.SubView(0, values.Length));
    }

    public void Upload<T>(ReadOnlySpan<T> values, ArrayView<T> view)
        where T : unmanaged
    {
        view.CopyFromCPU(Stream, values);
        BytesUp += (long)values.Length * Interop.SizeOf<T>();
    }

    public T[] Download<T>(GrowingBuffer<T> buffer, int count, ref T[] values)
        where T : unmanaged
    {
        if (values.Length < count) values = new T[Math.Max(count, 2 * values.Length)];
        if (count == 0) return values;
        Download(buffer.View.SubView(0, count), values.AsSpan(0, count));
        return values;
    }

    public void Download<T>(ArrayView<T> view, Span<T> values)
        where T : unmanaged
    {
        view.CopyToCPU(Stream, values);
        BytesDown += (long)values.Length * Interop.SizeOf<T>();
    }
}
