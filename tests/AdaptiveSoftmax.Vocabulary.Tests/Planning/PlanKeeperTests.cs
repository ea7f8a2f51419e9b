using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

public sealed class PlanKeeperTests
{
    private static readonly SoftmaxSpec Spec = new() { HiddenSize = 16, TableFile = "x.tokens", Cutoffs = [3, 6], DivValue = 2 };
    private static readonly int[] FreshIds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 77];
    private static readonly int[] DealtAnew = [1, 0, 2, 4, 3, 5, 8, 6, 77, 7];
    private static readonly long[] Old = [4000, 3000, 2000, 500, 400, 300, 50, 40, 30, 0];

    [Fact]
    public void Noise_MovesNothing()
    {
        // The same text twice as long, with ranks that changed places within three deviations.
        var fresh = Table([7990, 5950, 4080, 960, 830, 640, 77, 88, 66, 0]);
        var kept = PlanKeeper.Keep(Spec, Table(Old), fresh);

        Assert.Empty(kept.Moves);
        Assert.Equal(Spec.Cutoffs, kept.Cutoffs);
        Assert.Equal(Enumerable.Range(0, 10), kept.Order.Select(fresh.GetId));
    }

    // A token just above a border falls just below it: by 2.8 deviations, by 11 and 15 %, by 28 and 8 %.
    [Theory]
    [InlineData(1, 880, false)]
    [InlineData(10, 850, true)]
    [InlineData(100, 920, false)]
    public void AChange_MovesATokenWhereItIsBothLargeAndNoNoise(int scale, int share, bool moves)
    {
        long[] Scaled(params long[] counts) => [.. counts.Select(count => count * scale)];
        var old = Table(Scaled(4000, 3000, 1000, 990, 980, 970, 50, 40, 30, 0));
        var kept = PlanKeeper.Keep(Spec, old, Table(Scaled(5000 - share, 3000, share, 990, 980, 970, 50, 40, 30, 0)));
        Assert.Equal(moves ? [2] : [], kept.Moves.Select(move => move.Id));
    }

    [Fact]
    public void WhatChanged_MovesAndIsNamed()
    {
        // Token 8 is now common, token 1 rare, 9 is gone, 77 is new; 4 changed much within its cluster.
        var fresh = TokenTable.Create(FreshIds, [4000, 45, 2000, 500, 800, 300, 50, 40, 3000, 200], [.. FreshIds.Select(Bytes)]);
        var kept = PlanKeeper.Keep(Spec, Table(Old), fresh);

        // Borders of the old clusters: between 2000 and 500, and between 300 and 50, of 10320 counted.
        Assert.Equal([(8, 2, (int?)0), (1, 0, (int?)2), (77, -1, (int?)1), (9, 2, null)], kept.Moves.OrderBy(move => move.Id switch { 8 => 0, 1 => 1, 77 => 2, _ => 3 }).Select(move => (move.Id, move.From ?? -1, move.To)));
        Assert.Equal([0, 2, 8, 3, 4, 5, 77, 6, 7, 1], kept.Order.Select(fresh.GetId));
        Assert.Equal([3, 7], kept.Cutoffs);
        Assert.Equal(SoftmaxLayout.Create(16, 10, [3, 7], 2.0), kept.Layout);
        var risen = kept.Moves.Single(move => move.Id == 8);
        double before = Old.Sum(), now = TokenShares.Sum(fresh.Counts);
        Assert.Equal(30 / before, risen.OldShare, 1e-12);
        Assert.Equal(3000 / now, risen.NewShare, 1e-12);
        var expected = 3030 * now / (before + now);
        Assert.Equal((3000 - expected) / Math.Sqrt(3030 * now / (before + now) * before / (before + now)), risen.Deviations, 1e-9);
    }

    [Fact]
    public void TokensWithOtherIds_AreKeptByTheirBytes()
    {
        // A count of words deals ids by rank, so that two tokens which change places change ids.
        var fresh = TokenTable.Create([.. Enumerable.Range(0, 10)], [4000, 3000, 2000, 500, 400, 300, 50, 40, 30, 0], [.. DealtAnew.Select(Bytes)]);
        var kept = PlanKeeper.Keep(Spec, TokenTable.Create([.. Enumerable.Range(0, 10)], [3900, 3890, 2000, 450, 449, 300, 50, 40, 30, 0], [.. Enumerable.Range(0, 10).Select(Bytes)]), fresh);

        Assert.Equal([(8, -1, 2), (9, 2, -1)], kept.Moves.OrderBy(move => move.Id).Select(move => (move.Id, move.From ?? -1, move.To ?? -1)));
        Assert.Equal(["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t77"], kept.Order.Select(slot => Encoding.ASCII.GetString(fresh.GetToken(slot))));
    }

    [Fact]
    public void TheRule_HoldsForEachToken()
    {
        var random = new Random(3);
        long[] old = [.. Enumerable.Range(1, 300).Select(rank => 200_000L / rank)];
        var spec = Spec with { Cutoffs = [30, 120] };
        for (var round = 0; round < 10; round++)
        {
            long[] counts = [.. old.Select((count, i) => random.Next(5) == 0 ? random.Next(1, 30_000) : (long)(count * (0.9 + (0.2 * random.NextDouble()))))];
            var fresh = Table(counts);
            var kept = PlanKeeper.Keep(spec, Table(old), fresh);
            var moved = kept.Moves.Select(move => move.Id).ToHashSet();
            double before = old.Sum(), now = counts.Sum();
            Assert.Equal(Enumerable.Range(0, 300), kept.Order.Select(fresh.GetId).Order());
            for (var slot = 0; slot < 300; slot++)
            {
                var id = fresh.GetId(kept.Order[slot]);
                var (was, cluster) = (id < 30 ? 0 : id < 120 ? 1 : 2, kept.Layout.ClusterOf(slot));
                Assert.Equal(was != cluster, moved.Contains(id));
                if (was == cluster) continue;
                var (oldShare, share) = (old[id] / before, counts[id] / now);
                Assert.True(Math.Abs(share - oldShare) > 0.1 * Math.Max(share, oldShare));
                Assert.Equal(cluster, share > (old[29] + old[30]) / 2.0 / before ? 0 : share > (old[119] + old[120]) / 2.0 / before ? 1 : 2);
            }
        }
    }

    [Fact]
    public void AKeptTable_IsKeptAgain()
    {
        // Token 8 came into the head behind the others: the table is not in the order of its counts, and so begins with rows that are kept.
        int[] order = [0, 1, 2, 8, 3, 4, 5, 6, 7, 9];
        var once = TokenTable.Create(order, [4000, 3000, 2000, 3000, 500, 400, 300, 50, 40, 0], [.. order.Select(Bytes)], order.AsSpan(0, 9), pinnedCount: 0);
        var fresh = Table([4000, 45, 2000, 500, 400, 300, 2500, 40, 3000, 0]);
        var kept = PlanKeeper.Keep(Spec with { Cutoffs = [4, 7] }, once, fresh);

        Assert.Equal([(1, 0, 2), (6, 2, 0)], kept.Moves.OrderBy(move => move.Id).Select(move => (move.Id, move.From ?? -1, move.To ?? -1)));
        Assert.Equal([0, 2, 8, 6, 3, 4, 5, 7, 9, 1], kept.Order.Select(fresh.GetId));
    }

    [Fact]
    public void TokensThatWerePinned_StayAndMoveNoBorder()
    {
        // Token 9 stands in front although it never occurs. The border lies between 2000 and 500, as it would without it.
        int[] order = [9, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        var old = TokenTable.Create(order, [0, 4000, 3000, 2000, 500, 400, 300, 50, 40, 30], [.. order.Select(Bytes)], order.AsSpan(0, 1));
        var fresh = Table([4000, 3000, 2000, 1600, 400, 300, 50, 40, 30, 100]);
        var kept = PlanKeeper.Keep(Spec with { Cutoffs = [4, 7] }, old, fresh);

        Assert.Equal([(3, 1, 0)], kept.Moves.Select(move => (move.Id, move.From ?? -1, move.To ?? -1)));
        Assert.Equal(9, fresh.GetId(kept.Order[0]));
        Assert.Equal(1, kept.PinnedCount);
    }

    // Neither a place in front nor a count of its own shifts what the pinned token's cutoffs mean for the others.
    [Theory]
    [InlineData(0)]
    [InlineData(5000)]
    public void Borders_AreThoseWithoutPinnedTokens(long pinned)
    {
        int[] order = [9, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        var old = TokenTable.Create(order, [pinned, 4000, 3000, 2000, 500, 400, 300, 50, 40, 30], [.. order.Select(Bytes)], [9]);
        // Token 3 passes the middle of 2000 and 500, token 4 only that of 500 and 400.
        var fresh = Table([4000, 3000, 2000, 1600, 800, 300, 50, 40, 30, pinned]);
        var kept = PlanKeeper.Keep(Spec with { Cutoffs = [4, 7] }, old, fresh);

        Assert.Equal([(3, 1, 0)], kept.Moves.Select(move => (move.Id, move.From ?? -1, move.To ?? -1)));
    }

    [Fact]
    public void TokensThatTheFreshTablePins_JoinTheHeadBehindThoseThatWerePinned()
    {
        int[] order = [9, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        var old = TokenTable.Create(order, [0, 4000, 3000, 2000, 500, 400, 300, 50, 40, 30], [.. order.Select(Bytes)], [9]);
        int[] ids = [.. Enumerable.Range(0, 11)];
        var fresh = TokenTable.Create(ids, [4000, 3000, 2000, 500, 400, 300, 50, 40, 30, 0, 0], [.. ids.Select(Bytes)], [8, 10]);
        var kept = PlanKeeper.Keep(Spec with { Cutoffs = [4, 7] }, old, fresh);

        Assert.Equal([(8, 2, 0), (10, -1, 0)], kept.Moves.OrderBy(move => move.Id).Select(move => (move.Id, move.From ?? -1, move.To ?? -1)));
        Assert.Equal([9, 8, 10, 0, 1, 2, 3, 4, 5, 6, 7], kept.Order.Select(fresh.GetId));
        Assert.Equal(([6, 9], 3), (kept.Cutoffs, kept.PinnedCount));
    }

    [Fact]
    public void AClusterWithoutTokens_IsAnError()
    {
        var message = Assert.Throws<ArgumentException>(() => PlanKeeper.Keep(Spec with { Cutoffs = [9] }, Table(Old), TokenTable.Create([0, 1], [5, 4], [Bytes(0), Bytes(1)]))).Message;
        Assert.Contains("tail 0", message, StringComparison.Ordinal);
        Assert.Contains("All counts of the fresh table are 0", Assert.Throws<ArgumentException>(() => PlanKeeper.Keep(Spec, Table(Old), Table(new long[10]))).Message, StringComparison.Ordinal);
    }

    private static TokenTable Table(long[] counts) => TokenTable.Create([.. Enumerable.Range(0, counts.Length)], counts, [.. Enumerable.Range(0, counts.Length).Select(Bytes)]);

    private static byte[] Bytes(int id) => Encoding.ASCII.GetBytes($"t{id}");
}
