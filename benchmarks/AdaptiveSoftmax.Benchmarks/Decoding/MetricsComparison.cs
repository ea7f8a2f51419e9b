using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What the metrics add to a decode step: while nobody listens, and with listeners to every instrument.</summary>
internal sealed class MetricsComparison : IComparison
{
    private const int States = 64;
    private const int StepsOfARound = 128;
    private const int TurnsOfARound = 4;
    private const int Calls = 2_000_000;

    private long _heard;

    public string Name => "metrics";

    public string Description => "Percent that metrics under the OpenTelemetry SDK add to a greedy step at batch 1 on the trained sample model.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, States);
        using var decoding = peers.Adaptive.CreateSession();
        // A listener and a provider are made each time, so that all modes begin alike; the names decide what is heard.
        (string Name, string Listener, string Provider)[] modes = [("nobody listens", "", "none"), ("a listener that counts", Instrumentation.MeterName, "none"), ("OpenTelemetry SDK", "", Instrumentation.MeterName)];

        // Nobody can listen to nothing: what a silent step pays is measured by itself, a million times over.
        if (DecodeMetrics.IsHeard) throw new InvalidOperationException("Somebody listens already.");
        var silent = NanosecondsOfARecord(peers.Adaptive.Tags);
        double[] heard = [.. modes.Skip(1).Select(mode =>
        {
            using var listener = CreateListener(mode.Listener);
            using var provider = CreateProvider(mode.Provider);
            return NanosecondsOfARecord(peers.Adaptive.Tags);
        })];

        var rounds = modes.Select(_ => new List<double>()).ToArray();
        for (var round = -session.Rounds; round < session.Rounds * TurnsOfARound; round++)
        {
            for (var i = 0; i < modes.Length; i++)
            {
                var turn = (Math.Abs(round) + i) % modes.Length;
                using var listener = CreateListener(modes[turn].Listener);
                using var provider = CreateProvider(modes[turn].Provider);
                Decode(peers, decoding, States);
                var start = Stopwatch.GetTimestamp();
                Decode(peers, decoding, StepsOfARound);
                if (round >= 0) rounds[turn].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                session.Cancellation.ThrowIfCancellationRequested();
            }
        }

        if (_heard == 0) throw new InvalidOperationException("The listener heard nothing.");
        // Rounds next to each other see the same machine.
        double[] overheads = [.. rounds.Skip(1).Select(times => Median([.. times.Zip(rounds[0], (with, without) => ((with / without) - 1) * 100)]))];
        Measurement[] measurements = [.. modes.Select((mode, i) => new Measurement(mode.Name, [.. rounds[i].Order()]))];
        session.Print("step", StepsOfARound, measurements);
        var step = measurements[0].Median / StepsOfARound * 1e6;
        session.Note($"Recording by itself: {silent:F2} ns while nobody listens, {silent / step * 100:F4} % of a step; {heard[0]:F0} ns with the listener, {heard[0] / step * 100:F2} %; {heard[1]:F0} ns with OpenTelemetry, {heard[1] / step * 100:F2} %");
        session.Note($"Median over pairs of rounds: {overheads[0]:F2} % with the listener, {overheads[1]:F2} % with OpenTelemetry");
        return overheads[1];
    }

    private static void Decode(DecodePeers peers, DecodeSession decoding, int steps)
    {
        var random = new SampleRandom(1);
        for (var i = 0; i < steps; i++) decoding.Sample(peers.Hidden[i % States], DecodeOptions.Greedy, ref random);
    }

    private static double NanosecondsOfARecord(LayerTags tags)
    {
        var best = double.PositiveInfinity;
        for (var round = 0; round < 6; round++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < Calls; i++) DecodeMetrics.Record(DecodeMetrics.Start(), tags, cluster: 1, tailsVisited: 1);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Calls);
        }

        return best;
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values[values.Length / 2];
    }

    private MeterListener CreateListener(string meter)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == meter) self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => _heard++);
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => _heard++);
        listener.Start();
        return listener;
    }

    // Aggregates all and exports nothing, as between two visits of a scraper.
    private static MeterProvider CreateProvider(string meter) => Sdk.CreateMeterProviderBuilder()
        .AddMeter(meter)
        .AddReader(new BaseExportingMetricReader(new NoExporter()))
        .Build();

    private sealed class NoExporter : BaseExporter<Metric>
    {
        public override ExportResult Export(in Batch<Metric> batch) => ExportResult.Success;
    }
}
