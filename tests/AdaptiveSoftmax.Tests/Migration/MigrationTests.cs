using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>What a migration keeps, and how near the rest comes, against log-probs in double precision.</summary>
public sealed class MigrationTests : ToyMigration
{
    private static readonly int[] s_widths = [8, 4, 1];

    [Fact]
    public void SameSpec_KeepsEveryBit()
    {
        using var migrated = Migrate(From, out var report);
        Assert.All(report.Clusters.Skip(1), cluster => Assert.Equal(ClusterChange.Kept, cluster.Change));
        foreach (var (expected, actual) in Source.Parameters.Zip(migrated.Parameters)) Assert.Equal(expected.Values.ToArray(), actual.Values.ToArray());
        Assert.Equal(report.Before!.Perplexity, report.After!.Perplexity);
    }

    [Fact]
    public void OtherOrderWithinClusters_MovesRows_AndKeepsTheirBits()
    {
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens(4, 3, 2, 1, 0, 10, 9, 8, 7, 6, 5, 19, 18, 17, 16, 15, 14, 13, 12, 11), [5, 11], [4, 3]);
        using var migrated = Migrate(to, out _);
        Assert.Equal(Source.Parameters[0].Row(1).ToArray(), migrated.Parameters[0].Row(3).ToArray());
        Assert.Equal(Source.Parameters[2].Row(0).ToArray(), migrated.Parameters[2].Row(5).ToArray());
        AssertSameLogProbs(to, migrated, 1e-6);
    }

    [Fact]
    public void APromotedToken_LeavesAllOthersTheirBits()
    {
        var to = ToyVocabulary.Create(Tokens, [6, 11], [4, 3]);
        using var migrated = Migrate(to, out var report);
        Assert.Equal([ClusterChange.Head, ClusterChange.Reduced, ClusterChange.Kept], report.Clusters.Select(cluster => cluster.Change));
        Assert.Equal((5, 1), (report.Clusters[0].Kept, report.Clusters[0].Moved));
        for (var slot = 0; slot < 5; slot++) Assert.Equal(Source.Parameters[0].Row(slot).ToArray(), migrated.Parameters[0].Row(slot).ToArray());
        Assert.Equal(Source.Parameters[0].Row(6).ToArray(), migrated.Parameters[0].Row(7).ToArray());
        Assert.Equal(Source.Parameters[1].Values.ToArray(), migrated.Parameters[1].Values.ToArray());
        for (var row = 1; row < 6; row++) Assert.Equal(Source.Parameters[2].Row(row).ToArray(), migrated.Parameters[2].Row(row - 1).ToArray());
        Assert.Equal(Source.Parameters[4].Values.ToArray(), migrated.Parameters[4].Values.ToArray());
        Assert.InRange(report.After!.Perplexity, report.Before!.Perplexity * 0.98, report.Before.Perplexity * 1.02);
    }

    // The log-sum-exp of one token is linear, so nothing is lost by any fit, nor by widths that hold all ranks.
    [Fact]
    public void TailsOfOneToken_MigrateToRounding()
    {
        var from = ToyVocabulary.Create(ToyVocabulary.Tokens(0, 1, 2, 3, 4), [3, 4], [2, 3]);
        using var source = ToyVocabulary.CreateModel(from);
        ToyVocabulary.Save(Folder["one"], source, from);
        ToyVocabulary.WriteStates(Folder["one-states"], source, from, 400);
        foreach (var to in new[] { ToyVocabulary.Create(ToyVocabulary.Tokens(0, 1, 4, 3, 2), [4], [2]), ToyVocabulary.Create(ToyVocabulary.Tokens(3, 4, 0, 1, 2), [3, 4], [1, 1]) })
        {
            SoftmaxMigration.Migrate(Folder["one"], from, to, Folder["one-new"], new MigrationOptions { StatesPath = Folder["one-states"], Threads = 2 }, TestContext.Current.CancellationToken);
            using var migrated = DynamicAdaptiveSoftmax.Load(Folder["one-new"], to.Layout);
            AssertSameLogProbs(from, source, to, migrated, 2e-5);
        }
    }

    // What stands in one tail and stood in one tail has rows of that tail's rank, whoever else has left.
    [Fact]
    public void WidthsThatHoldAllRanks_KeepLogProbsWithinATail()
    {
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens([0, 1, 2, 3, 5, 4, 11, 12, 13, 14, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19]), [5, 10, 15], [8, 6, 3]);
        using var migrated = Migrate(to, out var report);
        Assert.Equal([ClusterChange.Head, ClusterChange.Factored, ClusterChange.Reduced, ClusterChange.Reduced], report.Clusters.Select(cluster => cluster.Change));
        var random = new Random(1);
        for (var i = 0; i < 20; i++)
        {
            var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
            var (before, after) = (ToyVocabulary.LogProbs(Source, state), ToyVocabulary.LogProbs(migrated, state));
            foreach (var tail in to.Layout.Tails.Skip(1))
            {
                var members = Enumerable.Range(tail.Start, tail.Size).ToArray();
                var expected = ToyVocabulary.LogSoftmax([.. members.Select(slot => before[to.Table.GetId(slot)])]);
                var actual = ToyVocabulary.LogSoftmax([.. members.Select(slot => after[slot])]);
                for (var j = 0; j < expected.Length; j++) Assert.Equal(expected[j], actual[j], 1e-5);
            }
        }
    }

    [Fact]
    public void FullWidth_HoldsEveryRow_AndANarrowOneTheMostOfThem()
    {
        var order = ToyVocabulary.Tokens(0, 1, 11, 12, 5, 6, 2, 13, 14, 7, 8, 3, 15, 16, 9, 10, 4, 17, 18, 19);
        double[] perplexities = [.. s_widths.Select(width =>
        {
            using var migrated = Migrate(ToyVocabulary.Create(order, [4, 12], [width, width]), out var report);
            Assert.Equal(width == 8, report.Clusters[1].LostShare < 1e-12);
            return report.After!.Perplexity / report.Before!.Perplexity;
        })];
        Assert.InRange(perplexities[0], 0.97, 1.03);
        Assert.True(perplexities[0] <= perplexities[1] + 0.01 && perplexities[1] < perplexities[2], string.Join(' ', perplexities));
    }

    [Fact]
    public void RemovedTokens_LeaveTheirMassToTheOthers()
    {
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens([0, 1, 3, 4, .. Enumerable.Range(5, 15)]), [4, 10], [4, 3]);
        using var migrated = Migrate(to, out var report);
        Assert.Equal((1, 0), (report.Removed, report.Added));
        var state = ToyVocabulary.CreateState(new Random(2), ToyVocabulary.Hidden);
        var (before, after) = (ToyVocabulary.LogProbs(Source, state), ToyVocabulary.LogProbs(migrated, state));
        var rest = Math.Log(1 - Math.Exp(before[2]));
        for (var slot = 0; slot < after.Length; slot++) Assert.Equal(before[to.Table.GetId(slot)] - rest, after[slot], 1e-5);
        Assert.True(report.LeftOut > 0);
    }

    [Fact]
    public void AnExtension_TakesFromOldTokensTheNewMassAlone()
    {
        var domain = TokenTable.Create([90, 91, 92], [40, 20, 60], ["t1t2"u8.ToArray(), "zz"u8.ToArray(), "t3"u8.ToArray()]);
        var to = SoftmaxMigration.Extend(From, domain, projectionWidth: 2, "extended.tokens", out var share);
        Assert.Equal(60.0 / (60 + 2100), share, 1e-12);
        Assert.Equal([5, 11, 20], to.Layout.Tails.Select(tail => tail.Start));
        using var migrated = Migrate(to, out var report, new MigrationOptions { StatesPath = Folder["states"], AddedShare = share });
        Assert.Equal([ClusterChange.Head, ClusterChange.Kept, ClusterChange.Kept, ClusterChange.Added], report.Clusters.Select(cluster => cluster.Change));
        foreach (var parameter in Source.Parameters.Skip(1)) Assert.Equal(parameter.Values.ToArray(), migrated.Parameters.Single(other => other.Name == parameter.Name).Values.ToArray());
        for (var row = 0; row < 7; row++) Assert.Equal(Source.Parameters[0].Row(row).ToArray(), migrated.Parameters[0].Row(row).ToArray());
        var (random, mass) = (new Random(4), 0.0);
        for (var i = 0; i < 200; i++)
        {
            var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
            var (before, after) = (ToyVocabulary.LogProbs(Source, state), ToyVocabulary.LogProbs(migrated, state));
            var added = Math.Exp(after[20]) + Math.Exp(after[21]);
            mass += added / 200;
            for (var slot = 0; slot < 20; slot++) Assert.Equal(before[slot] + Math.Log(1 - added), after[slot], 1e-5);
        }

        Assert.InRange(mass, share * 0.8, share * 1.25);
        using var file = WeightsFile.Open(Folder["new"]);
        Assert.Equal("extend", Assert.Single(SoftmaxMigration.ReadChain(file)).Job);
    }

    [Fact]
    public void ANewToken_StartsAsTheMeanOfItsParts_AndAsLikelyAsItsCluster()
    {
        var to = ToyVocabulary.Create(["t0", "t1", "t1t3", "t2", "t3", "t4", .. Tokens[5..]], [6, 12], [4, 3], idOf: token => token == "t1t3" ? 99 : int.Parse(token.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture));
        using var migrated = Migrate(to, out var report);
        Assert.Equal(1, report.Added);
        var (row, head) = (migrated.Parameters[0].Row(2).ToArray(), Source.Parameters[0]);
        var mean = head.Row(1).ToArray().Zip(head.Row(3).ToArray(), (a, b) => (a + b) / 2.0).ToArray();

        // Apart from the level, the row is that of its parts: the difference of its scores and theirs is near a constant.
        var random = new Random(5);
        var states = Enumerable.Range(0, 300).Select(_ => ToyVocabulary.CreateState(random, ToyVocabulary.Hidden)).ToArray();
        var shifts = states.Select(state => state.Select((value, i) => (row[i] - mean[i]) * value).Sum()).ToArray();
        var spread = Math.Sqrt(shifts.Select(shift => Math.Pow(shift - shifts.Average(), 2)).Average());
        Assert.True(spread < 0.7 * Math.Max(Math.Abs(shifts.Average()), 0.1), $"{spread} of {shifts.Average()}");
        var level = states.Average(state => state.Select((value, i) => row[i] * value).Sum());
        var others = states.Average(state => Enumerable.Range(0, 5).Average(slot => head.Row(slot).ToArray().Select((weight, i) => weight * value(state, i)).Sum()));
        Assert.InRange(level, others - 0.15, others + 0.15);

        static double value(float[] state, int i) => state[i];
    }

    [Fact]
    public void WithoutStates_ItWorks_AndSaysSo()
    {
        var to = ToyVocabulary.Create(Tokens, [6, 12], [4, 3]);
        using var migrated = Migrate(to, out var report, new MigrationOptions { JudgeStatesPath = Folder["states"] });
        Assert.False(report.HasStates);
        Assert.Equal(0, report.FittedStates);
        Assert.True(double.IsFinite(report.After!.Perplexity));
        Assert.Equal(Source.Parameters[0].Row(4).ToArray(), migrated.Parameters[0].Row(4).ToArray());
    }

    [Fact]
    public void ABiasThatGoes_TakesStates()
    {
        var from = ToyVocabulary.Create(Tokens, [5, 11], [4, 3], headBias: true);
        using var source = ToyVocabulary.CreateModel(from);
        ToyVocabulary.Save(Folder["biased"], source, from);
        var exception = Assert.Throws<ArgumentException>(() => SoftmaxMigration.Migrate(Folder["biased"], from, From, Folder["new"], cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("headBias", exception.Message, StringComparison.Ordinal);
        SoftmaxMigration.Migrate(Folder["biased"], from, From, Folder["new"], new MigrationOptions { StatesPath = Folder["states"] }, TestContext.Current.CancellationToken);
        SoftmaxMigration.Migrate(Folder["biased"], from, from, Folder["new"], cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Polishing_ComesNearerToTheSource_AndLeavesKeptBits()
    {
        var to = ToyVocabulary.Create(ToyVocabulary.Tokens(0, 1, 11, 12, 5, 6, 2, 13, 14, 7, 8, 3, 15, 16, 9, 10, 4, 17, 18, 19), [4, 12], [2, 2]);
        using var plain = Migrate(to, out _);
        var before = Divergence(to, plain);
        using var polished = Migrate(to, out var report, new MigrationOptions { StatesPath = Folder["states"], PolishSteps = 150, PolishLearningRate = 0.01 });
        Assert.NotNull(report.Polished);
        Assert.True(Divergence(to, polished) < 0.8 * before, $"{Divergence(to, polished)} after {before}");
        Assert.Equal(Source.Parameters[0].Row(1).ToArray(), polished.Parameters[0].Row(1).ToArray());
    }

    [Fact]
    public void Threads_ChangeNoByte()
    {
        var to = ToyVocabulary.Create([.. ToyVocabulary.Tokens(0, 1, 11, 12, 5, 6, 2, 13, 14, 7, 8, 3, 15, 16, 9, 10, 4), "t21"], [4, 12], [2, 2]);
        var files = Enumerable.Range(1, 3).Select(threads =>
        {
            Migrate(to, out _, new MigrationOptions { StatesPath = Folder["states"], PolishSteps = 5, Threads = threads }).Dispose();
            return File.ReadAllBytes(Folder["new"]);
        }).ToArray();
        Assert.Equal(files[0], files[1]);
        Assert.Equal(files[0], files[2]);
    }

    private double Divergence(SoftmaxDefinition to, DynamicAdaptiveSoftmax migrated)
    {
        var random = new Random(11);
        return Enumerable.Range(0, 300).Average(_ =>
        {
            var state = ToyVocabulary.CreateState(random, ToyVocabulary.Hidden);
            var (before, after) = (ToyVocabulary.LogProbs(Source, state), ToyVocabulary.LogProbs(migrated, state));
            return Enumerable.Range(0, after.Length).Sum(slot => Math.Exp(before[to.Table.GetId(slot)]) * (before[to.Table.GetId(slot)] - after[slot]));
        });
    }

    private void AssertSameLogProbs(SoftmaxDefinition to, DynamicAdaptiveSoftmax migrated, double tolerance) => AssertSameLogProbs(From, Source, to, migrated, tolerance);

    private static void AssertSameLogProbs(SoftmaxDefinition from, DynamicAdaptiveSoftmax source, SoftmaxDefinition to, DynamicAdaptiveSoftmax migrated, double tolerance)
    {
        var random = new Random(3);
        var slots = from.Table.Ids.ToArray().Select((id, slot) => (id, slot)).ToDictionary(pair => pair.id, pair => pair.slot);
        for (var i = 0; i < 20; i++)
        {
            var state = ToyVocabulary.CreateState(random, from.Layout.HiddenSize);
            var (before, after) = (ToyVocabulary.LogProbs(source, state), ToyVocabulary.LogProbs(migrated, state));
            for (var slot = 0; slot < after.Length; slot++) Assert.Equal(before[slots[to.Table.GetId(slot)]], after[slot], tolerance);
        }
    }
}
