using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.Extensions.Time.Testing;

namespace AdaptiveSoftmax.Tests;

public sealed class DriftMonitorTests
{
    private static readonly TokenTable s_table = DriftTables.Zipf(2_000);
    private static readonly DriftBaseline s_baseline = DriftTables.Baseline(s_table, 100, 600);

    [Fact]
    public void AWindow_HoldsTheLastTokens()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 1_000, MinimumTokens = 1, EvaluateEvery = 0 });
        var ids = DriftTables.Draw(s_table, 5_300, seed: 1);
        ids[5_000] = 8;
        for (var i = 0; i < 2_650; i++) monitor.Observe(ids[i]);
        monitor.Observe(ids.AsSpan(2_650));
        var expected = Report(ids[^1_000..]);
        var report = monitor.Snapshot();
        Assert.Equal((999, 1), (report.Tokens, report.UnknownTokens));
        Assert.Equal(expected.JensenShannon, report.JensenShannon);
        Assert.Equal(expected.Clusters, report.Clusters);
        Assert.Equal(expected.Risen, report.Risen);
        Assert.Equal((5_299, 1, 0), (monitor.Tokens, monitor.UnknownTokens, monitor.OtherTokens));
    }

    [Fact]
    public void WithTime_TokensLeaveAtTheirAge_OrEarlierWhereTheWindowIsFull()
    {
        var clock = new FakeTimeProvider();
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 1_000, WindowTime = TimeSpan.FromMinutes(16), MinimumTokens = 1, EvaluateEvery = 0, TimeProvider = clock });
        var ids = DriftTables.Draw(s_table, 20_000, seed: 2);
        var times = new List<(TimeSpan At, int Id)>();
        var start = clock.GetUtcNow();
        var random = new Random(3);
        for (var next = 0; next < ids.Length - 100;)
        {
            var count = random.Next(0, 60);
            monitor.Observe(ids.AsSpan(next, count));
            times.AddRange(ids.Skip(next).Take(count).Select(id => (clock.GetUtcNow() - start, id)));
            next += count;
            clock.Advance(TimeSpan.FromSeconds(random.Next(0, random.Next(0, 20) == 0 ? 900 : 30)));

            // A token leaves between its sixteenth minute and a minute later.
            var now = clock.GetUtcNow() - start;
            var last = times.TakeLast(1_000).ToArray();
            var tokens = monitor.Snapshot().Tokens;
            Assert.InRange(tokens, last.Count(token => now - token.At <= TimeSpan.FromMinutes(16)), last.Count(token => now - token.At <= TimeSpan.FromMinutes(17)));
            Assert.Equal(Report([.. last.TakeLast((int)tokens).Select(token => token.Id)]).JensenShannon, monitor.Snapshot().JensenShannon);
        }

        clock.Advance(TimeSpan.FromMinutes(18));
        Assert.Equal(0, monitor.Snapshot().Tokens);
        monitor.Observe(ids[0]);
        Assert.Equal(1, monitor.Snapshot().Tokens);
    }

    [Fact]
    public void Drift_IsRaisedOnce_AndAgainOnlyAfterItEnded()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 4_000, MinimumTokens = 1_000, EvaluateEvery = 500 });
        var raised = new List<DriftReport>();
        monitor.DriftDetected += (sender, found) =>
        {
            Assert.Same(monitor, sender);
            raised.Add(found.Report);
        };
        var usual = DriftTables.Draw(s_table, 20_000, seed: 4);
        int[] strange = [.. usual.Select((id, i) => s_table.GetId((i * 7 % 500) + 1_000))];
        monitor.Observe(usual, "en");
        Assert.Empty(raised);
        monitor.Observe(strange, "en");
        var report = Assert.Single(raised);
        Assert.Equal(("en", true), (report.Tag, report.IsDrifted));
        Assert.InRange(report.Clusters[2].ObservedShare, 0.1, 1);
        Assert.InRange(report.Risen[0].Slot, 1_000, 1_499);
        Assert.True(monitor.Snapshot("en").IsDrifted);
        monitor.Observe(usual, "en");
        Assert.False(monitor.Snapshot("en").IsDrifted);
        Assert.Single(raised);
        monitor.Observe(strange, "en");
        Assert.Equal(2, raised.Count);
        Assert.False(monitor.Snapshot("fr").IsDrifted);
    }

    [Fact]
    public void AWindow_IsJudgedAsSoonAsItHoldsEnough()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 4_000, MinimumTokens = 1_000, EvaluateEvery = 500 });
        monitor.DriftDetected += (_, found) => Assert.Equal(1_000, found.Report.Tokens);
        for (var i = 0; i < 999; i++) monitor.Observe(s_table.GetId(1_500));
        Assert.False(monitor.Snapshot().IsDrifted);
        monitor.Observe(s_table.GetId(1_500));
        Assert.True(monitor.Snapshot().IsDrifted);
    }

    [Fact]
    public void BetweenBothThresholds_NothingChanges()
    {
        var options = new DriftOptions { WindowTokens = 10_000, MinimumTokens = 10_000, EvaluateEvery = 0, StabilityThreshold = 10, JensenShannonThreshold = 0.1, ReleaseRatio = 0.5 };
        var monitor = new DriftMonitor(s_baseline, options);
        var raised = 0;
        monitor.DriftDetected += (_, _) => raised++;
        var usual = DriftTables.Draw(s_table, 10_000, seed: 5);
        foreach (var (share, isDrifted, events) in new[] { (0.2, false, 0), (0.6, true, 1), (0.2, true, 1), (0.6, true, 1), (0.0, false, 1), (0.2, false, 1), (0.6, true, 2) })
        {
            // A share of 0.2 lies between the thresholds, which are 0.05 and 0.1.
            monitor.Observe([.. usual.Select((id, i) => i % 10 < share * 10 ? s_table.GetId((i * 7 % 500) + 1_000) : id)]);
            var report = monitor.Evaluate();
            if (share == 0.2) Assert.InRange(report.ExcessJensenShannon, 0.05, 0.1);
            Assert.Equal((isDrifted, events), (report.IsDrifted, raised));
        }
    }

    [Fact]
    public void WithoutDrift_NothingIsRaised_OnTheTableOfO200kBase()
    {
        var table = DriftTables.ApiDocs;
        var monitor = new DriftMonitor(DriftTables.Baseline(table, 2_096, 20_209));
        monitor.DriftDetected += (_, found) => Assert.Fail($"There is no drift: {found.Report}");
        var options = new DriftOptions();
        for (var seed = 0; seed < 24; seed++)
        {
            // From the smallest window that is judged to the largest.
            var tag = $"tenant {seed}";
            monitor.Observe(DriftTables.Draw(table, options.MinimumTokens, seed), tag);
            var small = monitor.Evaluate(tag);
            Assert.InRange(small.ClusterStability, 0, 0.02);
            Assert.InRange(small.FrequencyStability, 0, 0.05);
            Assert.InRange(small.ExcessJensenShannon, 0, 0.02);
            monitor.Observe(DriftTables.Draw(table, 2 * options.WindowTokens, 100 + seed), tag);
            var large = monitor.Snapshot(tag);
            Assert.Equal(options.WindowTokens, large.Tokens);
            Assert.InRange(large.ExcessJensenShannon, 0, 0.005);
            Assert.InRange(Math.Max(large.ClusterStability, large.FrequencyStability), 0, 0.01);
        }
    }

    [Fact]
    public void UnknownTokensAlone_AreDrift()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 4_000, MinimumTokens = 1_000, EvaluateEvery = 500 });
        var raised = new List<DriftReport>();
        monitor.DriftDetected += (_, found) => raised.Add(found.Report);
        for (var i = 0; i < 2_000; i++) monitor.Observe(1_000_000 + i);
        var report = Assert.Single(raised);
        Assert.Equal((0, true, 0.0), (report.Tokens, report.UnknownTokens >= 1_000, report.Clusters.Sum(cluster => cluster.ObservedShare)));
        Assert.Equal(Math.Log(2), report.JensenShannon, 1e-9);
    }

    [Fact]
    public void AHandlerThatThrows_ReachesTheCaller_AfterAllTokensWereCounted()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 4_000, MinimumTokens = 1_000, EvaluateEvery = 500 });
        monitor.DriftDetected += (_, _) => throw new InvalidOperationException("no mail server");
        int[] strange = [.. Enumerable.Range(0, 3_000).Select(i => s_table.GetId(1_500 + (i % 100)))];
        Assert.Throws<InvalidOperationException>(() => monitor.Observe(strange));
        Assert.Equal((3_000, 3_000), (monitor.Tokens, monitor.Snapshot().Tokens));
        // The drift has begun all the same, so it is not raised again.
        monitor.Observe(strange);
        Assert.True(monitor.Evaluate().IsDrifted);
    }

    [Fact]
    public void AWindowWithFewTokens_IsNotJudged()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { MinimumTokens = 2_000, EvaluateEvery = 1 });
        monitor.DriftDetected += (_, _) => throw new InvalidOperationException("There was too little to judge.");
        for (var i = 0; i < 1_999; i++) monitor.Observe(s_table.GetId(1_500));
        Assert.False(monitor.Evaluate().IsDrifted);
        Assert.Throws<InvalidOperationException>(() => monitor.Observe(s_table.GetId(1_500)));
    }

    [Fact]
    public void TagsPastTheBound_AreReportedTogether()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { MaximumTags = 2, EvaluateEvery = 0 });
        foreach (var tag in new[] { "a", "b", "c", "d", "a", null }) monitor.Observe([7, 10], tag);
        Assert.Equal([DriftMonitor.OtherTag, "a", "b"], monitor.Tags);
        Assert.Equal(6, monitor.OtherTokens);
        Assert.Equal((4, 2, 6), (monitor.Snapshot("a").Tokens, monitor.Snapshot("b").Tokens, monitor.Snapshot(DriftMonitor.OtherTag).Tokens));
        Assert.Equal(0, monitor.Snapshot("c").Tokens);
        Assert.Equal(12, monitor.Tokens);
    }

    [Fact]
    public void ForgottenTag_GivesItsPlaceToAnother_AndComesBackAsNew()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { MaximumTags = 2, EvaluateEvery = 0 });
        foreach (var tag in new[] { "a", null, "c" }) monitor.Observe([7, 10], tag);
        Assert.True(monitor.Forget(null));
        Assert.False(monitor.Forget(null));
        Assert.False(monitor.Forget("c"));
        Assert.False(monitor.Forget(DriftMonitor.OtherTag));
        monitor.Observe([7, 10, 7], "c");
        Assert.Equal([DriftMonitor.OtherTag, "a", "c"], monitor.Tags);
        Assert.Equal((3, 2), (monitor.Snapshot("c").Tokens, monitor.Snapshot(DriftMonitor.OtherTag).Tokens));
        monitor.Observe([7], "d");
        Assert.Equal(3, monitor.OtherTokens);
        Assert.Equal(10, monitor.Tokens);
    }

    [Fact]
    public async Task ManyThreads_LoseNoToken()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 1 << 20, MinimumTokens = 1_000, EvaluateEvery = 5_000, MaximumTags = 4 });
        var ids = Enumerable.Range(0, 8).Select(thread => DriftTables.Draw(s_table, 40_000, thread)).ToArray();
        await Task.WhenAll(ids.Select((mine, thread) => Task.Run(() =>
        {
            var tag = thread % 2 == 0 ? "even" : "odd";
            for (var i = 0; i < 20_000; i++) monitor.Observe(mine[i], tag);
            monitor.Observe(mine.AsSpan(20_000), tag);
            for (var i = 0; i < 10; i++) monitor.Snapshot("odd");
        }, TestContext.Current.CancellationToken)));
        Assert.Equal(320_000, monitor.Tokens);
        foreach (var (tag, parity) in new[] { ("even", 0), ("odd", 1) })
        {
            var expected = Report([.. ids.Where((_, thread) => thread % 2 == parity).SelectMany(mine => mine)]);
            var report = monitor.Snapshot(tag);
            Assert.Equal((160_000, expected.JensenShannon), (report.Tokens, report.JensenShannon));
            Assert.Equal(expected.Risen, report.Risen);
        }
    }

    [Fact]
    public async Task ManyThreads_ThatJudgeAtOnce_RaiseOneDriftOnce()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { WindowTokens = 4_000, MinimumTokens = 500, EvaluateEvery = 1 });
        var raised = 0;
        monitor.DriftDetected += (_, _) => Interlocked.Increment(ref raised);
        int[] strange = [.. Enumerable.Range(0, 500).Select(i => s_table.GetId(1_000 + i))];
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 20; i++) monitor.Observe(strange);
            Assert.True(monitor.Evaluate().IsDrifted);
        }, TestContext.Current.CancellationToken)));
        Assert.Equal((1, 80_000, 4_000), (raised, monitor.Tokens, monitor.Snapshot().Tokens));
    }

    [Fact]
    public void WrittenCounts_AreReadAgain_AndPlanned()
    {
        using var folder = new TemporaryFolder();
        var monitor = new DriftMonitor(s_baseline);
        Assert.Contains("No token was observed", Assert.Throws<InvalidOperationException>(() => monitor.WriteCounts(folder["x.tokens"], DriftCounts.Observed)).Message, StringComparison.Ordinal);
        var ids = DriftTables.Draw(s_table, 30_000, seed: 6);
        monitor.Observe(ids.AsSpan(0, 20_000), "a");
        monitor.Observe(ids.AsSpan(20_000), "b");
        monitor.Observe(1);
        var counted = ids.GroupBy(id => id).ToDictionary(group => group.Key, group => (long)group.Count());
        foreach (var counts in new[] { DriftCounts.Observed, DriftCounts.TableAndObserved })
        {
            monitor.WriteCounts(folder["x.tokens"], counts);
            var read = TokenTableReader.Read("x.tokens", File.ReadAllText(folder["x.tokens"]));
            Assert.Empty(read.Errors);
            var table = read.Table!;
            Assert.Equal(s_table.Count, table.Count);
            for (var slot = 0; slot < s_table.Count; slot++)
            {
                var written = table.Ids.IndexOf(s_table.GetId(slot));
                Assert.Equal(counted.GetValueOrDefault(s_table.GetId(slot)) + (counts == DriftCounts.Observed ? 0 : s_table.GetCount(slot)), table.GetCount(written));
                Assert.True(s_table.GetToken(slot).SequenceEqual(table.GetToken(written)));
            }

            Assert.NotEmpty(ClusterPlanner.Plan(table.Counts, 64, new ClusterPlanOptions(), TestContext.Current.CancellationToken).Cutoffs);
        }

        var pinned = TokenTable.Create(s_table.Ids, s_table.Counts, [.. Enumerable.Range(0, s_table.Count).Select(slot => s_table.GetToken(slot).ToArray())], [s_table.GetId(40), s_table.GetId(20)]);
        var ofPinned = new DriftMonitor(DriftTables.Baseline(pinned));
        ofPinned.Observe(s_table.GetId(3));
        ofPinned.WriteCounts(folder["x.tokens"], DriftCounts.Observed);
        var keeps = TokenTableReader.Read("x.tokens", File.ReadAllText(folder["x.tokens"])).Table!;
        Assert.Equal(2, keeps.PinnedCount);
        Assert.Equal([s_table.GetId(40), s_table.GetId(20), s_table.GetId(3)], keeps.Ids[..3].ToArray());

        Assert.Equal(["x.tokens"], folder.Files);
    }

    [Fact]
    public void AMillionTokens_TakeBoundedMemory()
    {
        var counts = new long[1_000_000];
        for (var slot = 0; slot < counts.Length; slot++) counts[slot] = 10_000_000 / (slot + 1);
        var monitor = new DriftMonitor(DriftTables.Baseline(DriftTables.Create(counts, idStep: 1), 10_000, 100_000));
        var random = new Random(7);
        for (var i = 0; i < 200_000; i++) monitor.Observe(random.Next(1_000_100), i % 2 == 0 ? "a" : "b");
        monitor.Snapshot("a");
        // 8 MB of counts, 4 MB of counters, 4 MB of ids, 0.25 MB a tag.
        Assert.InRange(monitor.Bytes, 16_000_000, 17_000_000);
    }

    [Fact]
    public void Observing_AllocatesNothing()
    {
        var monitor = new DriftMonitor(s_baseline, new DriftOptions { EvaluateEvery = 0 });
        var ids = DriftTables.Draw(s_table, 3_000, seed: 8);
        monitor.Observe(ids, "a");
        var before = GC.GetAllocatedBytesForCurrentThread();
        monitor.Observe(ids, "a");
        foreach (var id in ids) monitor.Observe(id, "a");
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void OptionsOutOfRange_AreRefused()
    {
        DriftOptions[] wrong =
        [
            new() { WindowTokens = 0 }, new() { WindowTokens = int.MaxValue }, new() { MaximumTags = 0 }, new() { MinimumTokens = 0 }, new() { MinimumTokens = 70_000 }, new() { EvaluateEvery = -1 },
            new() { StabilityThreshold = 0 }, new() { JensenShannonThreshold = -1 }, new() { ReleaseRatio = 0 }, new() { ReleaseRatio = double.NaN }, new() { WindowTime = TimeSpan.Zero },
        ];
        Assert.All(wrong, options => Assert.ThrowsAny<ArgumentException>(() => new DriftMonitor(s_baseline, options)));
    }

    private static DriftReport Report(int[] ids)
    {
        var groups = ids.Where(id => s_baseline.SlotOf(id) >= 0).GroupBy(s_baseline.SlotOf).OrderBy(group => group.Key).ToArray();
        return s_baseline.Compare("", [.. groups.Select(group => group.Key)], [.. groups.Select(group => (long)group.Count())], unknown: ids.Count(id => s_baseline.SlotOf(id) < 0));
    }
}
