using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

public sealed class DriftBaselineTests
{
    [Fact]
    public void Measures_AreThoseOfPlainFormulasOverAllTokens()
    {
        Gen.Select(Gen.OneOf(Gen.Long[0, 1_000], Gen.Long[0, 3]).Array[12, 60], Gen.Long[0, 50].Array[60], Gen.Int[1, 9]).Sample((expected, observed, cutoff) =>
        {
            expected[0] += 1;
            observed[0] += 1;
            var table = DriftTables.Create(expected, idStep: 1);
            var baseline = DriftTables.Baseline(table, cutoff, cutoff + 2);
            int[] slots = [.. Enumerable.Range(0, table.Count).Where(slot => observed[slot] > 0)];
            var report = baseline.Compare("x", slots, [.. slots.Select(slot => observed[slot])], unknown: 3);

            // The unknown tokens are one more, and a cluster and bin of their own.
            var q = DriftTables.Shares([.. table.Counts.ToArray(), 0]);
            var p = DriftTables.Shares([.. observed.Take(table.Count), 3]);
            Assert.Equal(DriftTables.JensenShannon(p, q), report.JensenShannon, 1e-9);
            Assert.InRange(report.JensenShannon, 0, Math.Log(2));
            // Tokens that the table does not have are expected as often as those that it has once; without any, unknown ones are.
            var once = Math.Min(expected.Take(table.Count).Count(count => count == 1) * q[0] / table.GetCount(0), 0.5);
            bool[] unseen = [.. table.Counts.ToArray().Select(count => count == 0), !table.Counts.Contains(0)];
            double[] least = [.. unseen.Select(isUnseen => isUnseen ? once / unseen.Count(each => each) : 0)];
            int[] ends = [cutoff, cutoff + 2, table.Count, table.Count + 1];
            var (clusterP, clusterQ) = (Parts(p, ends), Parts(q, ends));
            Assert.Equal(DriftTables.Stability(clusterP, clusterQ, Parts(least, ends)), report.ClusterStability, 1e-9);
            Assert.Equal(clusterP[..^1], report.Clusters.Select(cluster => cluster.ObservedShare).ToArray(), new Near());
            Assert.Equal(clusterQ[..^1], report.Clusters.Select(cluster => cluster.ExpectedShare).ToArray(), new Near());
            Assert.Equal(report.JensenShannon - (p[^1] * Math.Log(2) / 2), report.Clusters.Sum(cluster => cluster.JensenShannon), 1e-9);
            Assert.Equal(["head", "tail0", "tail1"], report.Clusters.Select(cluster => cluster.Name));
            int[] bins = [.. report.Frequencies.Select(bin => bin.FirstSlot + bin.Slots), table.Count + 1];
            Assert.Equal(DriftTables.Stability(Parts(p, bins), Parts(q, bins), Parts(least, bins)), report.FrequencyStability, 1e-9);
            AssertMoved(report.Risen, slot => p[slot] > q[slot]);
            AssertMoved(report.Fallen, slot => p[slot] < q[slot]);

            void AssertMoved(IReadOnlyList<TokenDrift> moved, Func<int, bool> has) => Assert.Equal(
                Enumerable.Range(0, table.Count).Where(has).Select(slot => DriftTables.JensenShannon([p[slot], 1 - p[slot]], [q[slot], 1 - q[slot]]) - DriftTables.JensenShannon([1 - p[slot]], [1 - q[slot]])).OrderDescending().Take(20).ToArray(),
                moved.Select(token => token.JensenShannon).ToArray(),
                new Near());
            Assert.Equal((observed.Take(table.Count).Sum(), 3L), (report.Tokens, report.UnknownTokens));
        }, iter: 300);
    }

    // Special tokens that no text has are pinned to the head, and rare tokens that are waited for.
    [Fact]
    public void PinnedTokens_WhateverTheirCounts_ChangeNoMeasureOfDrift()
    {
        long[] counts = [.. Enumerable.Range(0, 40).Select(slot => 1L + (1000 / (slot + 1))), 1, 1, 0];
        var ranked = DriftTables.Create(counts, idStep: 1);
        var last = ranked.Count - 1;
        var tokens = Enumerable.Range(0, ranked.Count).Select(slot => ranked.GetToken(slot).ToArray()).ToArray();
        var pinned = TokenTable.Create(ranked.Ids, ranked.Counts, tokens, [ranked.GetId(last), ranked.GetId(12)]);
        Assert.Equal((0L, 2), (pinned.GetCount(0), pinned.PinnedCount));
        var observed = TokenTable.Create(ranked.Ids, [.. Enumerable.Range(0, ranked.Count).Select(slot => slot is 12 or 3 ? 0L : slot)], tokens);
        var (expected, report) = (DriftTables.Baseline(ranked).Compare(observed), DriftTables.Baseline(pinned).Compare(observed));
        Assert.Equal(expected.JensenShannon, report.JensenShannon, 1e-12);
        Assert.Equal(expected.SamplingNoise, report.SamplingNoise, 1e-12);
        Assert.Equal(expected.Fallen.Select(token => token.TokenId), report.Fallen.Select(token => token.TokenId));
        var window = DriftTables.Baseline(pinned).Compare("", [2], [100], unknown: 0);
        Assert.Equal(DriftTables.Baseline(ranked).Compare("", [0], [100], unknown: 0).SamplingNoise, window.SamplingNoise, 1e-12);
        Assert.InRange(report.FrequencyStability, expected.FrequencyStability / 4, expected.FrequencyStability * 4);
    }

    [Fact]
    public void GreatCounts_GiveTheMeasuresOfTheirShares()
    {
        // The same shares by counts whose sum has more than 64 bits and by small ones.
        long[] expected = [8, 4, 2, 2], observed = [2, 2, 4, 8];
        const long Scale = 1L << 59;
        var small = DriftTables.Baseline(DriftTables.Create(expected, idStep: 1), 1, 2).Compare("", [0, 1, 2, 3], observed, unknown: 16);
        var great = DriftTables.Baseline(DriftTables.Create([.. expected.Select(count => count * Scale)], idStep: 1), 1, 2)
            .Compare("", [0, 1, 2, 3], [.. observed.Select(count => count * Scale)], unknown: 16 * (Int128)Scale);
        Assert.Equal(small.JensenShannon, great.JensenShannon, 1e-15);
        Assert.Equal((small.ClusterStability, small.FrequencyStability), (great.ClusterStability, great.FrequencyStability));
        Assert.Equal(small.Clusters, great.Clusters);
        Assert.Equal((long.MaxValue, long.MaxValue), (great.Tokens, great.UnknownTokens));
        Assert.InRange(great.SamplingNoise, 0, 1e-15);
    }

    [Fact]
    public void EqualShares_ShowNoDrift()
    {
        var table = DriftTables.Zipf(1_000);
        var report = DriftTables.Baseline(table, 50, 300).Compare(table);
        Assert.Equal(0, report.JensenShannon, 1e-12);
        Assert.Equal(0, report.ClusterStability, 1e-12);
        Assert.Equal(0, report.FrequencyStability, 1e-12);
        Assert.Empty(report.Risen);
        Assert.All(report.Fallen, token => Assert.Equal(0, token.JensenShannon));
        Assert.False(report.IsDrifted);
    }

    [Fact]
    public void TokensOfNoCommonSlot_AreLnTwoApart()
    {
        var counts = new long[20];
        counts.AsSpan(0, 10).Fill(5);
        var baseline = DriftTables.Baseline(DriftTables.Create(counts), 5);
        var report = baseline.Compare("", [12, 19], [3, 4], unknown: 0);
        Assert.Equal(Math.Log(2), report.JensenShannon, 1e-12);
        Assert.Equal([19, 12], report.Risen.Select(token => token.Slot));
        Assert.Equal(7 + (3 * 19), report.Risen[0].TokenId);
        Assert.Equal((10, 10, 0.0, 1.0), (report.Frequencies[^1].FirstSlot, report.Frequencies[^1].Slots, report.Frequencies[^1].ExpectedShare, report.Frequencies[^1].ObservedShare));
    }

    [Fact]
    public void Stability_IsTheSameInBothDirections()
    {
        var (a, b) = (DriftTables.Create([50, 30, 15, 5]), DriftTables.Create([40, 30, 20, 10]));
        var there = DriftTables.Baseline(a, 1, 2).Compare(b);
        var back = DriftTables.Baseline(b, 1, 2).Compare(a);
        Assert.Equal(there.ClusterStability, back.ClusterStability, 1e-12);
        Assert.Equal(there.JensenShannon, back.JensenShannon, 1e-12);
        Assert.True(there.ClusterStability > 0.01);
    }

    [Fact]
    public void FrequencyBins_HoldATenthOfTheOccurrencesEach()
    {
        var bins = DriftTables.Baseline(DriftTables.Zipf(20_000)).Compare("", [], [], unknown: 0).Frequencies;
        Assert.Equal(0, bins[0].FirstSlot);
        Assert.Equal(18_000, bins[^1].FirstSlot);
        Assert.Equal(0, bins[^1].ExpectedShare);
        // With 20,000 tokens the first one has 9.7 % of all occurrences, and no token comes near a tenth after it.
        Assert.All(bins.Skip(1).SkipLast(1), bin => Assert.InRange(bin.ExpectedShare, 0.05, 0.15));
        Assert.Equal(1, bins.Sum(bin => bin.ExpectedShare), 1e-9);
        Assert.Equal(20_000, bins.Sum(bin => bin.Slots));
    }

    [Theory]
    [InlineData(500, 2_000)]
    [InlineData(20_000, 4_096)]
    [InlineData(200_000, 65_536)]
    public void SamplingNoise_IsTheMeanDivergenceOfDrawsFromTheTable(int vocabulary, int tokens)
    {
        var table = DriftTables.Zipf(vocabulary);
        var baseline = DriftTables.Baseline(table, vocabulary / 20, vocabulary / 2);
        var reports = Enumerable.Range(0, 8).Select(seed =>
        {
            var counts = DriftTables.Draw(table, tokens, seed).GroupBy(id => (id - 7) / 3).OrderBy(group => group.Key).ToArray();
            return baseline.Compare("", [.. counts.Select(group => group.Key)], [.. counts.Select(group => (long)group.Count())], unknown: 0);
        }).ToArray();
        Assert.Equal(1, reports.Average(report => report.JensenShannon) / reports[0].SamplingNoise, 0.02);
        Assert.All(reports, report => Assert.InRange(report.ExcessJensenShannon, 0, 0.01));
    }

    [Theory]
    [InlineData(20_000, 20_000)]
    [InlineData(100_000, 5_000)]
    [InlineData(5_000, 100_000)]
    [InlineData(2_000_000, 1_000_000)]
    public void TwoSamplesOfOneText_ShowNoDrift_HoweverSmallBothAre(int first, int second)
    {
        var options = new DriftOptions();
        for (var seed = 0; seed < 4; seed++)
        {
            var (a, b) = (DriftTables.Sample(DriftTables.ApiDocs, first, seed), DriftTables.Sample(DriftTables.ApiDocs, second, 100 + seed));
            var report = DriftTables.Baseline(a, 2_096, 20_209).Compare(b);
            Assert.InRange(report.JensenShannon / report.SamplingNoise, 0.97, 1.03);
            Assert.InRange(options.Severity(report), 0, 0.9);
        }
    }

    [Fact]
    public void CountsOfOtherText_AreMatchedByTheTokensBytes()
    {
        var baseline = DriftTables.Baseline(DriftTables.Create([50, 30, 15, 5]), 2);
        var observed = TokenTable.Create([1, 2, 3], [9, 4, 2], ["t3"u8.ToArray(), "new"u8.ToArray(), "t0"u8.ToArray()]);
        var report = baseline.Compare(observed);
        Assert.Equal((11, 4), (report.Tokens, report.UnknownTokens));
        Assert.Equal((3, 16), (report.Risen[0].Slot, report.Risen[0].TokenId));
        Assert.Equal(2.0 / 15, report.Clusters[0].ObservedShare, 1e-12);
    }

    [Fact]
    public void SparseIds_AreFound()
    {
        var baseline = DriftTables.Baseline(DriftTables.Create([50, 30, 15, 5], idStep: 100_000_000), 2);
        Assert.Equal([0, 3, -1, -1, -1], new[] { 7, 300_000_007, 8, -1, int.MaxValue }.Select(baseline.SlotOf));
        var dense = DriftTables.Baseline(DriftTables.Create([50, 30, 15, 5]), 2);
        Assert.Equal([0, 3, -1, -1, -1], new[] { 7, 16, 8, -1, int.MaxValue }.Select(dense.SlotOf));
    }

    [Fact]
    public void ATableThatDoesNotFit_IsRefused()
    {
        var layout = SoftmaxLayout.Create(8, 5, [2], 2.0, hasHeadBias: false);
        Assert.Contains("4 tokens", Assert.Throws<ArgumentException>(() => new DriftBaseline(DriftTables.Create([4, 3, 2, 1]), layout)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new DriftBaseline(DriftTables.Create(new long[5]), layout));

        using var folder = new TemporaryFolder();
        var path = folder["x.tokens"];
        File.WriteAllText(path, "0\t5\ta\n1\t4\tb\n2\t3\tc\n3\t2\td\n4\t1\te\n");
        Assert.Equal(5, DriftBaseline.FromTable(path, new SoftmaxIdentity(layout, "", "")).Table.Count);
        Assert.Contains("fingerprint", Assert.Throws<ArgumentException>(() => DriftBaseline.FromTable(path, new SoftmaxIdentity(layout, "f", "0123"))).Message, StringComparison.Ordinal);
        File.WriteAllText(path, "0\t5\n");
        Assert.Throws<InvalidDataException>(() => DriftBaseline.FromTable(path, new SoftmaxIdentity(layout, "", "")));
    }

    private static double[] Parts(double[] shares, int[] ends)
    {
        var parts = new double[ends.Length];
        for (var slot = 0; slot < shares.Length; slot++) parts[Array.FindIndex(ends, end => slot < end)] += shares[slot];
        return parts;
    }

    private sealed class Near : IEqualityComparer<double>
    {
        public bool Equals(double x, double y) => Math.Abs(x - y) < 1e-9;

        public int GetHashCode(double obj) => 0;
    }
}
