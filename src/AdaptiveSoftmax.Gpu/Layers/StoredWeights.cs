using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The weights of a <see cref="QuantizedSoftmax"/> on a device, value by value as they are stored.</summary>
internal sealed class StoredWeights : IDisposable
{
    // Rows at a time, so that their gaps cost the host a few megabytes however large a weight is.
    private const int BytesPerCopy = 4 << 20;

    private readonly Accelerator _accelerator;
    private readonly DeviceBuffers _buffers;
    private readonly List<IStored> _stored = [];

    /// <summary>Describes the weights, which get memory by <see cref="Upload"/>.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="source">The weights, in floating-point precisions.</param>
    public StoredWeights(Accelerator accelerator, QuantizedSoftmax source)
    {
        _accelerator = accelerator;
        _buffers = new DeviceBuffers(accelerator);
        var layout = source.Layout;
        QuantizedMatrix[][] clusters = [.. source.Clusters.Select(cluster => cluster.Matrices.ToArray())];
        Linears = new DecodeLinears(
            Describe(clusters[0][0], "head.weight", layout.TailCount, layout.HasHeadBias),
            [.. clusters.Skip(1).Select((tail, i) => (Describe(tail[0], FormattableString.Invariant($"tail.{i}.0.weight")), Describe(tail[1], FormattableString.Invariant($"tail.{i}.1.weight"))))]);
    }

    private interface IStored
    {
        void Upload(DeviceBuffers buffers, QuantizedMatrix matrix, NativeFloats? bias);
    }

    /// <summary>The launches of their products.</summary>
    public DecodeLinears Linears { get; }

    /// <summary>The bytes on the device.</summary>
    public long Bytes => _buffers.Bytes;

    /// <summary>Allocates memory and copies the weights, once.</summary>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="ObjectDisposedException">The source is disposed.</exception>
    public void Upload(QuantizedSoftmax source)
    {
        var at = 0;
        foreach (var cluster in source.Clusters)
        {
            foreach (var matrix in cluster.Matrices) _stored[at++].Upload(_buffers, matrix, cluster.Bias);
        }
    }

    public void Dispose() => _buffers.Dispose();

    private DecodeLinear Describe(QuantizedMatrix matrix, string name, int clusterRows = 0, bool hasBias = false) => matrix.Precision switch
    {
        WeightPrecision.BFloat16 => Describe<BFloat8>(matrix, name, clusterRows, hasBias),
        WeightPrecision.Float16 => Describe<Half8>(matrix, name, clusterRows, hasBias),
        _ => Describe<Float4>(matrix, name, clusterRows, hasBias),
    };

    private DecodeLinear<MatrixShape, TBlock> Describe<TBlock>(QuantizedMatrix matrix, string name, int clusterRows, bool hasBias)
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var stored = new Stored<TBlock>(_accelerator, FormattableString.Invariant($"the weight '{name}' [{matrix.Rows}, {matrix.Columns}] in {matrix.Precision.GetName()}"));
        _stored.Add(stored);
        return new DecodeLinear<MatrixShape, TBlock>(_accelerator, new MatrixShape(matrix.Rows, matrix.Columns), clusterRows, hasBias, stored);
    }

    private sealed class Stored<TBlock>(Accelerator accelerator, string purpose) : IStored, IWeightRows<TBlock>
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        public ArrayView<TBlock> Blocks { get; private set; }

        public ArrayView<float> Biases { get; private set; }

        public unsafe void Upload(DeviceBuffers buffers, QuantizedMatrix matrix, NativeFloats? bias)
        {
            var values = default(TBlock).Values;
            var stride = Sizes.Stride(matrix.Columns);
            Blocks = buffers.Allocate<TBlock>((long)matrix.Rows * stride / values, purpose);
            Copy(matrix.View, stride * Interop.SizeOf<TBlock>() / values);
            Biases = bias is null ? Blocks.Cast<float>().SubView(0, 1) : buffers.Upload(new ReadOnlySpan<float>(bias.Pointer, checked((int)bias.Count)).ToArray(), "the bias 'head.bias'");
        }

        private void Copy(QuantizedView source, int rowBytes)
        {
            var rows = Math.Max(1, BytesPerCopy / rowBytes);
            var buffer = new byte[Math.Min(rows, source.Rows) * rowBytes];
            var target = Blocks.Cast<byte>();
            for (var first = 0; first < source.Rows; first += rows)
            {
                var count = Math.Min(rows, source.Rows - first);
                var stored = source.Stored(first, first + count);
                var used = stored.Length / count;
                for (var row = 0; row < count; row++) stored.Slice(row * used, used).CopyTo(buffer.AsSpan(row * rowBytes, used));
                target.SubView((long)first * rowBytes, (long)count * rowBytes).CopyFromCPU(accelerator.DefaultStream, buffer.AsSpan(0, count * rowBytes));
            }
        }
    }
}
