using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>Several layers of one layout with different weights, so that the second-level cache never holds the next ones.</summary>
internal sealed class Workload : IDisposable
{
    private readonly GpuAdaptiveSoftmax[] _layers;

    public Workload(Accelerator accelerator, SoftmaxLayout layout, int copies, GpuOptions options)
    {
        Accelerator = accelerator;
        Layout = layout;
        _layers = [.. Enumerable.Range(0, copies).Select(copy => new DynamicGpuSoftmax(
            accelerator, layout, Widths.KernelsOf(layout.HiddenSize), seed: (ulong)copy + 1, options))];
    }

    public Accelerator Accelerator { get; }

    public SoftmaxLayout Layout { get; }

    public int Copies => _layers.Length;

    public long WorkingBytes => _layers[0].WorkingBytes;

    public GpuAdaptiveSoftmax this[int call] => _layers[call % _layers.Length];

    /// <summary>Hidden vectors, uniform in ±1, [tokens, hidden].</summary>
    public static float[] Hidden(int tokens, int size)
    {
        var random = new Random(5);
        var values = new float[tokens * size];
        foreach (ref var value in values.AsSpan()) value = (2 * random.NextSingle()) - 1;
        return values;
    }

    public void Dispose()
    {
        foreach (var layer in _layers) layer.Dispose();
    }
}
