namespace AdaptiveSoftmax.Tests.Kernels;

/// <summary>Scaled and capped logits against float64.</summary>
public unsafe class LogitMapTests
{
    [Theory]
    [InlineData(1, 30)]
    [InlineData(0.0625, double.PositiveInfinity)]
    [InlineData(0.25, 50)]
    [InlineData(8, 2)]
    [InlineData(1e-6, 1e6)]
    public void EveryVectorWidth_MapsAsFloat64Does_AndRises(double scale, double cap)
    {
        // Both sides of every join, and far beyond the cap.
        float[] logits = [.. Enumerable.Range(-40_000, 80_001).Select(i => (float)(i * 0.003)), 1e-30f, -1e-40f, 0, 3e37f, -3e37f];
        Array.Sort(logits);
        var map = new LogitMap(scale, cap);
        var whole = Apply(map, logits, logits.Length);
        for (var i = 0; i < logits.Length; i++)
        {
            var scaled = (double)(float)scale * logits[i];
            var expected = double.IsInfinity(cap) ? scaled : cap * Math.Tanh(scaled / cap);
            // Below the normal numbers a tangent has few bits.
            Assert.Equal(expected, whole[i], (Math.Abs(expected) / (1 << 20)) + (1.5e-45 * (double.IsInfinity(cap) ? 1 : cap)));
            Assert.True(i == 0 || whole[i] >= whole[i - 1] - (Math.Abs(whole[i]) / (1 << 20)), "It falls.");
        }

        // A value alone has the bits that it has in a vector of any width.
        foreach (var length in (int[])[1, 3, 4, 7, 8, 15])
        {
            var parts = Apply(map, logits, length);
            Assert.Equal(whole, parts);
        }

        var slopes = new float[logits.Length];
        fixed (float* mapped = whole, slope = slopes) map.Slopes(mapped, slope, logits.Length);
        for (var i = 0; i < logits.Length; i++)
        {
            var ratio = double.IsInfinity(cap) ? 0 : Math.Tanh((double)(float)scale * logits[i] / cap);
            Assert.Equal(scale * (1 - (ratio * ratio)), slopes[i], scale * 3e-6);
        }
    }

    [Theory]
    [InlineData(1, 30)]
    [InlineData(0.5, double.PositiveInfinity)]
    public void WhatIsNotFinite_StaysSo(double scale, double cap)
    {
        float[] logits = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1, 2, 3, 4, 5, 6];
        var mapped = Apply(new LogitMap(scale, cap), logits, logits.Length);
        Assert.All(mapped[..3], value => Assert.False(float.IsFinite(value)));
        Assert.All(mapped[3..], value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void Bounds_AreAboveEveryMappedLogitBelowThem()
    {
        var map = new LogitMap(1, 30);
        var random = new Random(3);
        for (var i = 0; i < 20_000; i++)
        {
            float logit = (random.NextSingle() - 0.5f) * 200, bound = random.Next(2) == 0 ? logit : MathF.BitIncrement(logit);
            map.ApplyToBounds(&bound, 1);
            Assert.True(bound >= map.Apply(logit));
            Assert.True(Math.Abs(map.Apply(logit)) <= map.Largest(Math.Abs(logit)));
        }
    }

    private static float[] Apply(LogitMap map, float[] logits, int length)
    {
        float[] mapped = [.. logits];
        fixed (float* values = mapped)
        {
            for (var i = 0; i < mapped.Length; i += length) map.Apply(values + i, Math.Min(length, mapped.Length - i));
        }

        return mapped;
    }
}
