using System.Numerics;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Reads memory that no cache holds as fast as this machine can, on all threads: the limit of decoding.</summary>
internal sealed unsafe class MemoryReads : IDisposable
{
    private const long Floats = 1L << 27;
    private const int PerPart = 1 << 18;

    private readonly NativeFloats _memory = new(Floats);
    private readonly double[] _sums = new double[Floats / PerPart];
    private readonly Tensor _tensor;

    public MemoryReads()
    {
        _memory.Fill(0.5f);
        set_num_threads(Environment.ProcessorCount);
        _tensor = ones(Floats);
    }

    /// <summary>The bytes of a round.</summary>
    public static long Bytes => Floats * sizeof(float);

    /// <summary>Several ways to read, since processors differ in what their prefetchers follow best.</summary>
    public IReadOnlyList<Contender> Contenders =>
    [
        new("one stretch a thread", () => Read(streams: 1)),
        new("four stretches a thread", () => Read(streams: 4)),
        new("TorchSharp's sum", () => TorchPeers.Run(() => (long)_tensor.sum().item<float>())),
    ];

    public void Dispose()
    {
        _memory.Dispose();
        _tensor.Dispose();
    }

    private long Read(int streams)
    {
        fixed (double* sums = _sums)
        {
            var body = new Body { Memory = _memory.Pointer, Sums = sums, Streams = streams };
            WorkerPool.Get(Environment.ProcessorCount).Run(ref body, _sums.Length);
        }

        return (long)_sums.Sum();
    }

    private struct Body : IParallelBody
    {
        public float* Memory;
        public double* Sums;
        public int Streams;

        public readonly void Run(int part)
        {
            var size = Vector<float>.Count;
            var start = Memory + ((nint)part * PerPart);
            Vector<float> a = default, b = default, c = default, d = default;
            if (Streams == 1)
            {
                for (var i = 0; i < PerPart; i += 4 * size)
                {
                    a += Vector.Load(start + i);
                    b += Vector.Load(start + i + size);
                    c += Vector.Load(start + i + (2 * size));
                    d += Vector.Load(start + i + (3 * size));
                }
            }
            else
            {
                const int Stretch = PerPart / 4;
                for (var i = 0; i < Stretch; i += size)
                {
                    a += Vector.Load(start + i);
                    b += Vector.Load(start + i + Stretch);
                    c += Vector.Load(start + i + (2 * Stretch));
                    d += Vector.Load(start + i + (3 * Stretch));
                }
            }

            Sums[part] = Vector.Sum(a + b + c + d);
        }
    }
}
