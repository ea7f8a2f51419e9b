using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// The exponential function for a softmax, whose arguments are never far above 0. It is float32 throughout, while .NET's
/// vector functions compute it in float64; the products of a narrow tail are so short that the difference is felt.
/// </summary>
internal static class SimdExp
{
    /// <summary>Below this the result would not be a normal number; it is 0.</summary>
    public const float Smallest = -87.33f;

    // Adding it rounds to an integer, which then stands in the low bits.
    private const float Rounder = 12582912f;

    private const float Log2E = 1.44269504f;

    // ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    /// <summary>
    /// exp(x) for x ≤ 88 with a relative error below 1.5 · 2⁻²³; exactly 1 at 0, 0 below <see cref="Smallest"/>, NaN for
    /// NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Of<TSimd>(TSimd x)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        // x = n ln 2 + r with |r| ≤ ln 2 / 2, and exp(x) = 2ⁿ exp(r).
        var smallest = TSimd.Broadcast(Smallest);
        var within = TSimd.ZeroWhereLess(x, x, smallest);
        var rounder = TSimd.Broadcast(Rounder);
        var exponent = TSimd.MultiplyAdd(within, TSimd.Broadcast(Log2E), rounder);
        var n = TSimd.Subtract(exponent, rounder);
        var r = TSimd.MultiplyAdd(n, TSimd.Broadcast(-Ln2High), within);
        r = TSimd.MultiplyAdd(n, TSimd.Broadcast(-Ln2Low), r);

        // exp(r) = 1 + r + r² q(r), where q interpolates (exp(r) − 1 − r) / r² at five Chebyshev nodes.
        var q = TSimd.Broadcast(0.0013926476f);
        q = TSimd.MultiplyAdd(q, r, TSimd.Broadcast(0.0083634127f));
        q = TSimd.MultiplyAdd(q, r, TSimd.Broadcast(0.041666552f));
        q = TSimd.MultiplyAdd(q, r, TSimd.Broadcast(0.16666576f));
        q = TSimd.MultiplyAdd(q, r, TSimd.Broadcast(0.5f));
        var power = TSimd.Add(TSimd.MultiplyAdd(q, TSimd.Multiply(r, r), r), TSimd.Broadcast(1));
        return TSimd.ZeroWhereLess(TSimd.ScaleByPowerOfTwo(power, exponent), x, smallest);
    }
}
