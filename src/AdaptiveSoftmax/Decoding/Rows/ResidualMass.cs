using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// What a draft leaves of a cluster's tempered mass: max(w − q Z, 0) of each token, where w is its weight, q the draft's
/// probability, and Z the mass of all tokens.
/// </summary>
internal sealed unsafe class ResidualMass
{
    private float[] _left = [];
    private double _scale;

    /// <summary>What is left of all tokens together.</summary>
    public double Sum { get; private set; }

    /// <summary>The mass of all tokens that was taken from; NaN where nothing is written.</summary>
    public double Total { get; private set; } = double.NaN;

    /// <summary>Forgets what was written.</summary>
    public void Clear() => Total = double.NaN;

    /// <summary>Computes what is left.</summary>
    /// <param name="scores">The cluster's scores, [count].</param>
    /// <param name="count">Its tokens.</param>
    /// <param name="firstSlot">Its first slot.</param>
    /// <param name="inverse">1 / T.</param>
    /// <param name="shift">The log of what weighs 1.</param>
    /// <param name="draft">The draft.</param>
    /// <param name="total">The mass of all tokens.</param>
    public void Write(float* scores, int count, int firstSlot, float inverse, double shift, DraftDistribution draft, double total)
    {
        (Sum, Total) = (0, total);
        if (_left.Length < count) _left = new float[count];
        var best = count == 0 ? float.NegativeInfinity : SoftmaxKernel.Maximum(scores, count);
        _scale = best == float.NegativeInfinity ? 0 : Math.Exp(((double)best * inverse) - shift);
        if (_scale == 0)
        {
            _left.AsSpan(0, count).Clear();
            return;
        }

        fixed (float* left = _left)
        {
            if (Vector512.IsHardwareAccelerated) WriteWeights<Simd512>(scores, count, best, inverse, left);
            else if (Vector256.IsHardwareAccelerated) WriteWeights<Simd256>(scores, count, best, inverse, left);
            else WriteWeights<Simd128>(scores, count, best, inverse, left);
        }

        var (first, end) = draft.Within(firstSlot, firstSlot + count);
        for (var i = first; i < end; i++)
        {
            ref var weight = ref _left[draft.Slots[i] - firstSlot];
            weight = (float)Math.Max(0, weight - (draft.Probabilities[i] * (total / _scale)));
        }

        var sum = 0.0;
        for (var i = 0; i < count; i++) sum += _left[i];
        Sum = sum * _scale;
    }

    /// <summary>What is left of one token.</summary>
    public double Of(int row) => _left[row] * _scale;

    /// <summary>The token at which the running sum passes <paramref name="target"/>; at rounding's edge the last one of which anything is left.</summary>
    /// <param name="target">From 0 to <see cref="Sum"/>, which is above 0.</param>
    public int Find(double target)
    {
        target /= _scale;
        var last = 0;
        for (var i = 0; i < _left.Length; i++)
        {
            if (_left[i] == 0) continue;
            last = i;
            if (target < _left[i]) return i;
            target -= _left[i];
        }

        return last;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteWeights<TSimd>(float* scores, int count, float best, float inverse, float* weights)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd top = TSimd.Broadcast(best), scale = TSimd.Broadcast(inverse);
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            TSimd.Store(SimdExp.Of(TSimd.Multiply(TSimd.Subtract(TSimd.Load(scores + i), top), scale)), weights + i);
        for (; i < count; i++) weights[i] = TemperedMass.Weight(scores[i], best, inverse);
    }
}
