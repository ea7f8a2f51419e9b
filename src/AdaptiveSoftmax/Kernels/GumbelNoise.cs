using System.Numerics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Gumbel noise by counting: the noise of a row is −log(−log r), where r is one of 2⁵² numbers in (0, 1) that a hash of seed,
/// stream, position and row chooses. The row with the largest sum of score and noise is an exact draw from the softmax of the scores.
/// </summary>
/// <param name="start">Where the numbers of the position start.</param>
/// <param name="first">The number of row 0.</param>
internal readonly unsafe struct GumbelNoise(ulong start, ulong first)
{
    /// <summary>No noise is further from 0.</summary>
    public const double Largest = 37;

    private const double Unit = 1.0 / (1ul << 52);
    private const int UnusedBits = 12;

    // Below this −log r has few of the bits of r in float32; above it the bounds are computed side by side.
    private const float LeastExponential = 1f / 1024;

    // Smaller numbers count as this one, whose noise is larger: then r has 15 bits at least.
    private const float LeastNumber = 1f / (1 << 16);

    // More than the noise computed in float32 is off by: −log r is off by 2⁻²⁵ at 2⁻¹⁰ and by 2⁻¹⁶ at 11.
    private const float Slack = 1f / (1 << 12);

    /// <summary>The noise of a row.</summary>
    public double Of(int row) => -Math.Log(-Math.Log(((CountedRandom.Bits(start, first + (uint)row) >> UnusedBits) + 0.5) * Unit));

    /// <summary>bounds[r] += temperature · (at least the noise of row first + r, and hardly more).</summary>
    /// <param name="bounds">[count].</param>
    /// <param name="row">The first row.</param>
    /// <param name="count">The rows.</param>
    /// <param name="temperature">The temperature, so that its product with a noise is finite.</param>
    /// <returns>The largest of the bounds.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float Raise(float* bounds, int row, int count, float temperature)
    {
        var step = Vector<float>.Count;
        var largest = new Vector<float>(float.NegativeInfinity);
        var lanes = CreateSequence();
        var (factor, slack, rare) = (new Vector<float>(temperature), new Vector<float>(Slack), new Vector<float>(LeastExponential));
        var i = 0;
        for (; i + step <= count; i += step)
        {
            var at = new Vector<ulong>(first + (uint)(row + i)) + lanes;
            var exponential = -Vector.Log(Numbers(CountedRandom.Bits(start, at), CountedRandom.Bits(start, at + new Vector<ulong>((ulong)Vector<ulong>.Count))));
            var raised = Vector.Load(bounds + i) + (factor * (slack - Vector.Log(exponential)));
            if (Vector.LessThanAny(exponential, rare)) raised = RaiseExactly(bounds + i, row + i, temperature, exponential, raised);
            raised.Store(bounds + i);
            largest = Vector.Max(largest, raised);
        }

        var most = float.NegativeInfinity;
        for (var lane = 0; lane < step; lane++) most = MathF.Max(most, largest[lane]);
        for (; i < count; i++)
        {
            bounds[i] += temperature * Above(row + i);
            most = MathF.Max(most, bounds[i]);
        }

        return most;
    }

    private static Vector<ulong> CreateSequence()
    {
        var lanes = stackalloc ulong[Vector<ulong>.Count];
        for (var lane = 0; lane < Vector<ulong>.Count; lane++) lanes[lane] = (ulong)lane;
        return Vector.Load(lanes);
    }

    // The upper 31 bits as numbers in (0, 1): within 2⁻³² of the exact ones, and then rounded.
    private static Vector<float> Numbers(Vector<ulong> low, Vector<ulong> high)
    {
        var whole = Vector.ConvertToSingle(Vector.AsVectorInt32(Vector.Narrow(low >>> 33, high >>> 33)));
        var numbers = (whole + new Vector<float>(0.5f)) * new Vector<float>(1f / (1u << 31));
        return Vector.Min(Vector.Max(numbers, new Vector<float>(LeastNumber)), new Vector<float>(1 - (1f / (1 << 24))));
    }

    // One number in a thousand is so near to 1 that its noise needs all of its bits.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Vector<float> RaiseExactly(float* bounds, int row, float temperature, Vector<float> exponential, Vector<float> raised)
    {
        for (var lane = 0; lane < Vector<float>.Count; lane++)
        {
            if (exponential[lane] < LeastExponential) raised = raised.WithElement(lane, bounds[lane] + (temperature * Above(row + lane)));
        }

        return raised;
    }

    private float Above(int row) => MathF.BitIncrement((float)Of(row));
}
