using System.Numerics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// How much mass stands at which score, over all clusters that were seen: it says where a nucleus ends, to within a bucket,
/// without sorting what is below.
/// </summary>
internal sealed unsafe class MassHistogram
{
    // Together 16 nats below the first cluster's best token: a token further down weighs less than e⁻¹⁶ of it.
    /// <summary>The buckets.</summary>
    public const int Buckets = 64;

    /// <summary>Buckets of a nat at temperature 1.</summary>
    public const float BucketsPerNat = 4;

    private readonly double[] _masses = new double[Buckets];
    private float _top;
    private float _scale;
    private float _inverse;

    /// <summary>Empties it.</summary>
    /// <param name="top">The score at which the buckets begin; higher ones are in the first.</param>
    /// <param name="inverse">1 / T.</param>
    public void Begin(float top, float inverse)
    {
        Array.Clear(_masses);
        (_top, _inverse, _scale) = (top, inverse, inverse * BucketsPerNat);
    }

    /// <summary>The score at which the buckets begin.</summary>
    public float Top => _top;

    /// <summary>Adds what was summed elsewhere, into the same buckets.</summary>
    /// <param name="masses">The mass of each bucket.</param>
    /// <param name="unit">What 1 of them weighs.</param>
    public void Add(ReadOnlySpan<long> masses, double unit)
    {
        for (var i = 0; i < Buckets; i++) _masses[i] += masses[i] * unit;
    }

    /// <summary>Takes all masses relative to another reference.</summary>
    /// <param name="factor">exp((old reference − new reference) / T).</param>
    public void Rescale(double factor)
    {
        for (var i = 0; i < Buckets; i++) _masses[i] *= factor;
    }

    /// <summary>Adds the tokens of a cluster.</summary>
    /// <param name="scores">Their scores, [count].</param>
    /// <param name="count">Their number.</param>
    /// <param name="reference">The score that weighs 1; none is higher.</param>
    /// <param name="limit">Lower scores do not matter.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(float* scores, int count, float reference, float limit)
    {
        limit = MathF.Max(limit, Edge(Buckets - 1));
        var least = new Vector<float>(limit);
        var i = 0;
        for (; i + Vector<float>.Count <= count; i += Vector<float>.Count)
        {
            if (!Vector.GreaterThanOrEqualAny(Vector.Load(scores + i), least)) continue;
            for (var k = i; k < i + Vector<float>.Count; k++) Add(scores[k], reference, limit);
        }

        for (; i < count; i++) Add(scores[i], reference, limit);
    }

    /// <summary>A score such that the tokens at or above it have at least the mass <paramref name="target"/>; −∞ where all of them have less.</summary>
    public float FindLimit(double target)
    {
        var sum = 0.0;
        for (var bucket = 0; bucket < Buckets; bucket++)
        {
            sum += _masses[bucket];
            if (sum >= target) return Edge(bucket);
        }

        return float.NegativeInfinity;
    }

    private void Add(float score, float reference, float limit)
    {
        if (!(score >= limit)) return;
        // Conversion saturates; 0 · ∞, at the lowest temperatures, becomes 0.
        var bucket = Math.Max(0, (int)((_top - score) * _scale));
        if (bucket < Buckets) _masses[bucket] += TemperedMass.Weight(score, reference, _inverse);
    }

    // A little below the bucket, by more than rounding can put a score into the bucket above its own.
    private float Edge(int bucket) => _top - ((bucket + 1.01f) / _scale);
}
