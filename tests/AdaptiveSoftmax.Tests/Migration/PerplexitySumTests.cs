using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public sealed class PerplexitySumTests
{
    // Half of all is the first token, so that five tenths are one; the last three were never counted.
    private static readonly long[] s_counts = [50, 10, 10, 10, 10, 5, 5, 0, 0, 0];

    [Fact]
    public void Losses_AreMeansByClusterAndTenth()
    {
        var sum = new PerplexitySum(SoftmaxLayout.Create(4, 10, [2, 6], [2, 2]), s_counts);
        foreach (var (slot, loss) in new[] { (0, 1.0), (0, 2), (1, 3), (5, 1), (6, 2), (8, 5), (9, 7) }) sum.Add(slot, loss);
        var result = sum.ToResult();
        Assert.Equal((7, Math.Exp(21.0 / 7)), (result.Count, result.Perplexity));
        Assert.Equal([Math.Exp(2), Math.Exp(1), Math.Exp(14.0 / 3)], result.ByCluster.Select(value => Math.Round(value, 9)), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal(["1", "2", "3", "4", "5", "6", "unseen"], result.ByTenth.Select(tenth => tenth.Name));
        Assert.Equal([Math.Exp(1.5), Math.Exp(3), double.NaN, double.NaN, double.NaN, Math.Exp(1.5), Math.Exp(6)], result.ByTenth.Select(tenth => tenth.Perplexity), (a, b) => a.Equals(b) || Math.Abs(a - b) < 1e-9);
    }

    [Fact]
    public void WithoutCounts_ThereAreNoTenths()
    {
        var sum = new PerplexitySum(SoftmaxLayout.Create(4, 10, [2, 6], [2, 2]), new long[10]);
        sum.Add(3, 1);
        Assert.Empty(sum.ToResult().ByTenth);
        Assert.Equal([double.NaN, Math.E, double.NaN], sum.ToResult().ByCluster);
    }
}
