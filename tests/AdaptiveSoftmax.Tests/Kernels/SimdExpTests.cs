namespace AdaptiveSoftmax.Tests;

public unsafe class SimdExpTests
{
    [Fact]
    public void EveryVectorWidth_AgreesWithTheExponentialFunction()
    {
        Check<SimdScalar>();
        Check<Simd128>();
        Check<Simd256>();
        Check<Simd512>();
    }

    private static void Check<TSimd>()
        where TSimd : unmanaged, ISimd<TSimd>
    {
        Assert.Equal(1, Exp<TSimd>(0));
        Assert.Equal(1, Exp<TSimd>(-0f));
        Assert.Equal(0, Exp<TSimd>(-87.34f));
        Assert.Equal(0, Exp<TSimd>(-1e30f));
        Assert.Equal(0, Exp<TSimd>(float.NegativeInfinity));
        Assert.True(float.IsNaN(Exp<TSimd>(float.NaN)));
        for (var i = -8733; i <= 8800; i++)
        {
            var x = i / 100f;
            var expected = Math.Exp(x);
            Assert.Equal(1, Exp<TSimd>(x) / expected, 1.5 / (1 << 23));
        }
    }

    // The argument stands in one lane after the other, among others that must not disturb it.
    private static float Exp<TSimd>(float x)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var lanes = stackalloc float[TSimd.Width];
        new Span<float>(lanes, TSimd.Width).Fill(-1e9f);
        var lane = (BitConverter.SingleToInt32Bits(x) & int.MaxValue) % TSimd.Width;
        lanes[lane] = x;
        TSimd.Store(SimdExp.Of(TSimd.Load(lanes)), lanes);
        return lanes[lane];
    }
}
