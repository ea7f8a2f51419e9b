using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>The hyperbolic tangent in float32, at any vector width.</summary>
internal static class SimdTanh
{
    // From here on 1 − 2 / (exp(2x) + 1) loses nothing; below it a polynomial keeps what that difference would cancel.
    private const float Joint = 0.625f;
    private const float BelowJoint = 0.62499994f;

    // exp of it is finite, and the tangent is 1 long before.
    private const float LargestExponent = 40;

    /// <summary>tanh(x) with a relative error below 2⁻²¹; NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Of<TSimd>(TSimd x)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var one = TSimd.Broadcast(1);
        var negative = TSimd.Subtract(TSimd.Zero, x);
        var magnitude = TSimd.Max(x, negative);

        // The lesser of 2x and the largest exponent.
        var exponent = TSimd.Subtract(TSimd.Zero, TSimd.Max(TSimd.Add(negative, negative), TSimd.Broadcast(-LargestExponent)));
        var large = TSimd.Subtract(one, TSimd.Divide(TSimd.Broadcast(2), TSimd.Add(SimdExp.Of(exponent), one)));

        // tanh(x) = x + x z q(z) with z = x², where q interpolates (tanh(x) / x − 1) / z at five Chebyshev nodes.
        var z = TSimd.Multiply(x, x);
        var q = TSimd.Broadcast(-0.0060967142f);
        q = TSimd.MultiplyAdd(q, z, TSimd.Broadcast(0.020997179f));
        q = TSimd.MultiplyAdd(q, z, TSimd.Broadcast(-0.053850910f));
        q = TSimd.MultiplyAdd(q, z, TSimd.Broadcast(0.13332770f));
        q = TSimd.MultiplyAdd(q, z, TSimd.Broadcast(-0.33333329f));
        var small = TSimd.MultiplyAdd(TSimd.Multiply(q, z), x, x);
        return TSimd.Add(
            TSimd.ZeroWhereLess(large, magnitude, TSimd.Broadcast(Joint)),
            TSimd.ZeroWhereLess(small, TSimd.Broadcast(BelowJoint), magnitude));
    }
}
