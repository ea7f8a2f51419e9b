using System.Diagnostics;
using System.Diagnostics.Metrics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

[Collection(MeterRecorder.Collection)]
public sealed class DecodeMetricsTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(8, 60, [10, 30], 2.0, hasHeadBias: false);

    [Fact]
    public void WithoutAListener_AStepIsNotTimedAndReportsNothing()
    {
        Assert.False(DecodeMetrics.IsHeard);
        Assert.Equal(0, DecodeMetrics.Start());
        using var recorder = new MeterRecorder("softmax", "Unheard");
        DecodeMetrics.Record(0, new LayerTags("Unheard", 2), cluster: 1, tailsVisited: 1);
        DecodeMetrics.RecordBatch(0, new LayerTags("Unheard", 2), Tally(stackalloc long[6], (0, 1)));
        Assert.Empty(recorder.Entries);
    }

    [Theory]
    [InlineData("adaptive_softmax.decode.duration")]
    [InlineData("adaptive_softmax.decode.batch.duration")]
    [InlineData("adaptive_softmax.decode.tokens")]
    [InlineData("adaptive_softmax.decode.tails_visited")]
    public void AListenerToAnyOneInstrument_IsHeard(string instrument)
    {
        using var recorder = new MeterRecorder("softmax", "Any", instrument);
        var start = DecodeMetrics.Start();
        Assert.NotEqual(0, start);
        DecodeMetrics.Record(start, new LayerTags("Any", 1), cluster: 1, tailsVisited: 1);
        DecodeMetrics.RecordBatch(start, new LayerTags("Any", 2), Tally(stackalloc long[6], (0, 0), (1, 2)));
        Assert.NotEmpty(recorder.Entries);
        Assert.All(recorder.Entries, entry => Assert.Equal(instrument, entry.Instrument.Name));
    }

    [Fact]
    public void Steps_AreReportedByTheClusterOfTheToken()
    {
        using var recorder = new MeterRecorder("softmax", "Steps");
        var tags = new LayerTags("Steps", 2);
        var before = Stopwatch.GetTimestamp();
        foreach (var (cluster, visited) in new[] { (0, 0), (0, 2), (2, 2), (1, 1) }) DecodeMetrics.Record(DecodeMetrics.Start(), tags, cluster, visited);
        var elapsed = Stopwatch.GetElapsedTime(before).TotalSeconds;

        Assert.Equal(["cluster=head: 2", "cluster=tail0: 1", "cluster=tail1: 1"], recorder.Sums("adaptive_softmax.decode.tokens"));
        Assert.Equal(["cluster=head: 2", "cluster=tail0: 1", "cluster=tail1: 2"], recorder.Sums("adaptive_softmax.decode.tails_visited"));
        var durations = recorder.Entries.Where(entry => entry.Instrument.Name == "adaptive_softmax.decode.duration").ToArray();
        Assert.Equal(["cluster=head", "cluster=head", "cluster=tail1", "cluster=tail0"], durations.Select(entry => entry.Tags));
        Assert.InRange(durations.Sum(entry => entry.Value), 0, elapsed);
        Assert.Empty(recorder.Sums("adaptive_softmax.decode.batch.duration"));
    }

    [Fact]
    public void ADuration_IsInSeconds()
    {
        using var recorder = new MeterRecorder("softmax", "Seconds");
        DecodeMetrics.Record(Stopwatch.GetTimestamp() - (3 * Stopwatch.Frequency), new LayerTags("Seconds", 0), cluster: 0, tailsVisited: 0);
        Assert.InRange(recorder.Entries.Single(entry => entry.Instrument.Name == "adaptive_softmax.decode.duration").Value, 3, 300);
        Assert.Empty(recorder.Sums("adaptive_softmax.decode.tails_visited"));
    }

    [Fact]
    public void ABatch_IsOneDurationAndItsTokensByCluster()
    {
        using var recorder = new MeterRecorder("softmax", "Batch");
        DecodeMetrics.RecordBatch(DecodeMetrics.Start(), new LayerTags("Batch", 2), Tally(stackalloc long[6], (0, 0), (0, 1), (2, 2), (0, 0), (2, 1), (2, 1), (0, 0), (0, 0)));
        Assert.Equal(["cluster=head: 5", "cluster=tail1: 3"], recorder.Sums("adaptive_softmax.decode.tokens"));
        Assert.Equal(["cluster=head: 1", "cluster=tail1: 4"], recorder.Sums("adaptive_softmax.decode.tails_visited"));
        Assert.Single(recorder.Sums("adaptive_softmax.decode.batch.duration"));
        Assert.Empty(recorder.Sums("adaptive_softmax.decode.duration"));
    }

    [Fact]
    public void TargetsAndApproximateTokens_AreCounted()
    {
        var tags = new LayerTags("Counted", 1);
        using var recorder = new MeterRecorder("softmax", "Counted");
        DecodeMetrics.RecordTargets(tags, 1, targets: 7, correct: 4);
        DecodeMetrics.RecordTargets(tags, 0, targets: 2, correct: 0);
        DecodeMetrics.RecordApproximate(tags, "head_only");
        DecodeMetrics.RecordApproximate(tags, "head_only", 3);
        Assert.Equal(["cluster=head: 2", "cluster=tail0: 7"], recorder.Sums("adaptive_softmax.target.tokens"));
        Assert.Equal(["cluster=head: 0", "cluster=tail0: 4"], recorder.Sums("adaptive_softmax.target.correct"));
        Assert.Equal(["policy=head_only: 4"], recorder.Sums("adaptive_softmax.decode.approximate"));
    }

    [Fact]
    public void LookUpsInACache_AreCountedByResult()
    {
        using var recorder = new MeterRecorder("cache", "counted");
        var cache = new DecodeCache(capacity: 2, name: "counted");
        var token = new int[1];
        for (var i = 0; i < 5; i++)
        {
            if (!cache.TryGet(1, token, [])) cache.Set(1, token, [0]);
        }

        Assert.Equal(["result=hit: 4", "result=miss: 1"], recorder.Sums("adaptive_softmax.cache.lookups"));
    }

    [Fact]
    public void AJudgedWindow_IsReportedByTag()
    {
        using var recorder = new MeterRecorder("tag", "judged");
        var table = DriftTables.Zipf(1_000);
        var monitor = new DriftMonitor(DriftTables.Baseline(table, 50, 300), new DriftOptions { MinimumTokens = 100, EvaluateEvery = 0 });
        for (var i = 0; i < 500; i++) monitor.Observe(table.GetId(500 + (i % 100)), "judged");
        monitor.Snapshot("judged");
        Assert.Empty(recorder.Entries);
        var report = monitor.Evaluate("judged");
        monitor.Evaluate("judged");
        Assert.Equal([report.ClusterStability, report.ClusterStability], Values("cluster_stability"));
        Assert.Equal([report.FrequencyStability, report.FrequencyStability], Values("frequency_stability"));
        Assert.Equal([report.ExcessJensenShannon, report.ExcessJensenShannon], Values("divergence"));
        Assert.Equal([1], Values("detected"));

        double[] Values(string name) => [.. recorder.Entries.Where(entry => entry.Instrument.Name == "adaptive_softmax.drift." + name).Select(entry => entry.Value)];
    }

    [Fact]
    public void Recording_AllocatesNothing_WhetherHeardOrNot()
    {
        var tags = new LayerTags("Allocations", 2);
        Assert.Equal(0, AllocatedBy(tags));
        var heard = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == Instrumentation.MeterName) self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => Interlocked.Increment(ref heard));
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => Interlocked.Increment(ref heard));
        listener.Start();
        Assert.Equal(0, AllocatedBy(tags));
        Assert.True(heard > 10_000);
    }

    [Fact]
    public void Instruments_HaveUnitsDescriptionsAndTheAssemblysVersion()
    {
        var instruments = new List<Instrument>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == Instrumentation.MeterName) instruments.Add(instrument);
            },
        };
        Assert.Equal(0, DecodeMetrics.Start());
        listener.Start();
        Assert.All(instruments, instrument =>
        {
            Assert.StartsWith("adaptive_softmax.", instrument.Name, StringComparison.Ordinal);
            Assert.NotEmpty(instrument.Unit!);
            Assert.EndsWith(".", instrument.Description, StringComparison.Ordinal);
            Assert.StartsWith(instrument.Meter.Version + ".", typeof(LayerTags).Assembly.GetName().Version + ".", StringComparison.Ordinal);
        });
        Assert.Equal(instruments.Count, instruments.Select(instrument => instrument.Name).Distinct().Count());
        Assert.True(instruments.Count >= 8);
    }

    [Fact]
    public void AnActivity_IsStartedOnlyForAListener()
    {
        var tags = new LayerTags("Active", 1);
        Assert.Null(DecodeMetrics.StartActivity("adaptive_softmax.test", tags));
        var stopped = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Instrumentation.ActivitySourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if ((string?)activity.GetTagItem("softmax") == "Active") stopped.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(listener);
        using (DecodeMetrics.StartActivity("adaptive_softmax.test", tags)) Assert.Empty(stopped);
        Assert.Equal("adaptive_softmax.test", Assert.Single(stopped).OperationName);
    }

    private static long AllocatedBy(LayerTags tags)
    {
        for (var warmUp = 0; warmUp < 200; warmUp++) RecordAll(tags);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 2_000; round++) RecordAll(tags);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static ClusterTally Tally(Span<long> memory, params ReadOnlySpan<(int Cluster, int Tails)> tokens)
    {
        var tally = new ClusterTally(memory, s_layout);
        foreach (var (cluster, tails) in tokens) tally.Add(cluster, tails);
        return tally;
    }

    private static void RecordAll(LayerTags tags)
    {
        DecodeMetrics.Record(DecodeMetrics.Start(), tags, cluster: 1, tailsVisited: 1);
        DecodeMetrics.RecordBatch(DecodeMetrics.Start(), tags, Tally(stackalloc long[6], (0, 1), (1, 2)));
        DecodeMetrics.RecordTargets(tags, 1, 1, 1);
        DecodeMetrics.RecordApproximate(tags, "policy");
        DecodeMetrics.StartActivity("adaptive_softmax.test", tags)?.Dispose();
    }
}
