using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>Uniform random weights, the same bits on every machine.</summary>
internal static unsafe class UniformInitializer
{
    private const int ValuesPerTile = 1 << 14;

    /// <summary>Fills a parameter with values uniform in [−bound, bound).</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="parameter">The parameter, or some rows of one.</param>
    /// <param name="bound">The bound.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">What tells the parameter from others of the seed.</param>
    /// <param name="firstValue">The place of the first value in the whole parameter.</param>
    public static void Fill(WorkerPool pool, Parameter parameter, double bound, ulong seed, ulong stream, long firstValue = 0)
    {
        parameter.MarkChanged();
        var body = new Body { Values = parameter.ValuesPointer, Count = parameter.Count, Bound = bound, Start = CountedRandom.Start(seed, stream), FirstValue = (ulong)firstValue };
        pool.Run(ref body, (int)((parameter.Count + ValuesPerTile - 1) / ValuesPerTile));
        parameter.MarkChanged();
    }

    private struct Body : IParallelBody
    {
        // 24 random bits as a number in [0, 2).
        private const double Scale = 2.0 / (1 << 24);

        public float* Values;
        public long Count;
        public double Bound;
        public ulong Start, FirstValue;

        public readonly void Run(int tile)
        {
            var i = (long)tile * ValuesPerTile;
            var end = Math.Min(Count, i + ValuesPerTile);
            for (; i + Vector<float>.Count <= end; i += Vector<float>.Count)
                Vector.Narrow(Values64(FirstValue + (ulong)i), Values64(FirstValue + (ulong)i + (ulong)Vector<ulong>.Count)).Store(Values + i);
            for (; i < end; i++) Values[i] = (float)((((CountedRandom.Bits(Start, FirstValue + (ulong)i) >> 40) * Scale) - 1) * Bound);
        }

        private readonly Vector<double> Values64(ulong first)
        {
            var bits = CountedRandom.Bits(Start, new Vector<ulong>(first) + Vector<ulong>.Indices);
            return ((Vector.ConvertToDouble(bits >>> 40) * Scale) - Vector<double>.One) * Bound;
        }
    }
}
