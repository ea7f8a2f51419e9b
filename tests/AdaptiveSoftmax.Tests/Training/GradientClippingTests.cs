namespace AdaptiveSoftmax.Tests.Training;

public sealed class GradientClippingTests
{
    [Fact]
    public void NormAboveTheLimit_ScalesEveryGradientByOneFactor()
    {
        using var first = new Parameter("a", 1, 2);
        using var second = new Parameter("b", 1, 1);
        using var without = new Parameter("c", 1, 1);
        Parameter[] parameters = [first, second, without, first];
        first.TouchGradient()[0] = 3;
        first.TouchGradient()[1] = 4;
        second.TouchGradient()[0] = 12;
        Assert.Equal(13, GradientClipping.ClipByGlobalNorm(parameters, 6.5));
        Assert.Equal(1.5f, first.Gradient[0], 1e-5f);
        Assert.Equal(2f, first.Gradient[1], 1e-5f);
        Assert.Equal(6f, second.Gradient[0], 1e-5f);
        Assert.False(without.HasGradient);
    }

    [Fact]
    public void NormBelowTheLimit_ChangesNoBit()
    {
        using var parameter = new Parameter("a", 1, 2);
        parameter.TouchGradient()[0] = 0.3f;
        parameter.TouchGradient()[1] = -0.4f;
        Assert.Equal(0.5, GradientClipping.ClipByGlobalNorm([parameter], 1), 1e-6);
        Assert.Equal([0.3f, -0.4f], parameter.Gradient.ToArray());
    }

    [Fact]
    public void LargeGradients_HaveTheNormOfAPlainSumInDouble()
    {
        using var dense = new Parameter("a", 301, 1_003);
        using var sparse = new Parameter("b", 5_000, 37, GradientLayout.SparseRows);
        var random = new Random(1);
        var squares = 0.0;
        foreach (ref var value in dense.TouchGradient()) Add(ref value);
        for (var row = 4_990; row > 0; row -= 3)
        {
            foreach (ref var value in sparse.TouchGradientRow(row)) Add(ref value);
        }

        var norm = GradientClipping.ClipByGlobalNorm([dense, sparse], 0.5);
        Assert.Equal(Math.Sqrt(squares), norm, 1e-6 * norm);
        Assert.Equal(0.5, GradientClipping.ClipByGlobalNorm([dense, sparse], 1), 1e-5);

        void Add(ref float value)
        {
            value = (float)random.NextDouble();
            squares += (double)value * value;
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NormThatIsNotFinite_IsReportedAndLeavesGradientsAsTheyAre(float bad)
    {
        using var parameter = new Parameter("a", 1, 2);
        parameter.TouchGradient()[0] = bad;
        parameter.TouchGradient()[1] = 5;
        Assert.False(double.IsFinite(GradientClipping.ClipByGlobalNorm([parameter], 1)));
        Assert.Equal(5, parameter.Gradient[1]);
    }

    [Fact]
    public void NothingToClip_HasNormZero()
    {
        using var empty = new Parameter("a", 0, 2);
        Assert.True(empty.TouchGradient().IsEmpty);
        Assert.Equal(0, GradientClipping.ClipByGlobalNorm([empty], 1));
        Assert.Equal(0, GradientClipping.ClipByGlobalNorm([], 1));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(float.NaN)]
    public void BadLimit_IsRefused(float maxNorm) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientClipping.ClipByGlobalNorm([], maxNorm));
}
