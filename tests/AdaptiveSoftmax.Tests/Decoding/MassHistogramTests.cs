namespace AdaptiveSoftmax.Tests;

public sealed unsafe class MassHistogramTests
{
    [Fact]
    public void Limit_KeepsWhatReachesTheTarget_AndLittleMore()
    {
        var random = new Random(1);
        for (var trial = 0; trial < 200; trial++)
        {
            var temperature = MathF.Exp((float)((6 * random.NextDouble()) - 3));
            var parts = Enumerable.Range(0, 1 + random.Next(3)).Select(_ => RandomScores(random, 1 + random.Next(3000), temperature)).ToArray();
            var (best, inverse) = (parts.Max(part => part.Max()), 1 / temperature);
            var target = random.NextDouble() * parts.Sum(part => MassAbove(part, float.NegativeInfinity, best, inverse));

            var limit = Fill(parts, inverse).FindLimit(target);

            Assert.True(parts.Sum(part => MassAbove(part, limit, best, inverse)) >= target * (1 - 1e-5));

            // The first bucket also holds what later parts have above the first one's best.
            var isBelowFirst = float.IsFinite(limit) && limit < parts[0].Max() - (0.3f * temperature);
            if (isBelowFirst) Assert.True(parts.Sum(part => MassAbove(part, limit + (0.3f * temperature), best, inverse)) <= target * (1 + 1e-5));
        }
    }

    [Fact]
    public void MassThatIsNotThere_GivesNoLimit()
    {
        var histogram = Fill([[-1, -2, -3]], inverse: 1);

        Assert.Equal(float.NegativeInfinity, histogram.FindLimit(1.6));
        Assert.True(histogram.FindLimit(1.3) is > -3 and <= -2);
    }

    [Theory]
    [InlineData(1e-38f)]
    [InlineData(1e-6f)]
    [InlineData(1e30f)]
    public void ExtremeTemperatures_KeepTheBest(float temperature)
    {
        float[] scores = [-5, -2.5f, -2.5f, -9, float.NegativeInfinity];

        Assert.True(Fill([scores], MathF.Min(1 / temperature, float.MaxValue)).FindLimit(1.5) <= -2.5f);
    }

    private static MassHistogram Fill(float[][] parts, float inverse)
    {
        var histogram = new MassHistogram();
        var reference = float.NegativeInfinity;
        foreach (var part in parts)
        {
            var best = part.Max();
            if (reference == float.NegativeInfinity) histogram.Begin(best, inverse);
            else if (best > reference) histogram.Rescale(Math.Exp(((double)reference - best) * inverse));
            reference = MathF.Max(reference, best);
            fixed (float* scores = part) histogram.Add(scores, part.Length, reference, float.NegativeInfinity);
        }

        return histogram;
    }

    private static float[] RandomScores(Random random, int count, float temperature)
    {
        var center = -20 * random.NextDouble() * temperature;
        return [.. Enumerable.Range(0, count).Select(_ => (float)(center - (8 * temperature * random.NextDouble() * random.NextDouble())))];
    }

    private static double MassAbove(float[] scores, float limit, float reference, float inverse) =>
        scores.Where(score => score >= limit).Sum(score => Math.Exp(((double)score - reference) * inverse));
}
