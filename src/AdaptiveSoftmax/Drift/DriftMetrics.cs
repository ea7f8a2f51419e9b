using System.Diagnostics.Metrics;

namespace AdaptiveSoftmax;

/// <summary>What drift monitors report whenever they judge a window.</summary>
internal static class DriftMetrics
{
    private static readonly Gauge<double> s_clusters = DecodeMetrics.Meter.CreateGauge<double>("adaptive_softmax.drift.cluster_stability", "1", "Population stability index of a window over clusters, by monitor and tag.");
    private static readonly Gauge<double> s_frequencies = DecodeMetrics.Meter.CreateGauge<double>("adaptive_softmax.drift.frequency_stability", "1", "Population stability index of a window over tenths of the table's occurrences, by monitor and tag.");
    private static readonly Gauge<double> s_divergence = DecodeMetrics.Meter.CreateGauge<double>("adaptive_softmax.drift.divergence", "nat", "Jensen-Shannon divergence of a window over tokens above its sampling noise, by monitor and tag.");
    private static readonly Counter<long> s_detected = DecodeMetrics.Meter.CreateCounter<long>("adaptive_softmax.drift.detected", "{event}", "Times that drift was found, by monitor and tag.");

    public static void Record(string monitor, DriftReport report, bool isDetected)
    {
        var name = new KeyValuePair<string, object?>("monitor", monitor);
        var tag = new KeyValuePair<string, object?>("tag", report.Tag);
        s_clusters.Record(report.ClusterStability, name, tag);
        s_frequencies.Record(report.FrequencyStability, name, tag);
        s_divergence.Record(report.ExcessJensenShannon, name, tag);
        if (isDetected) s_detected.Add(1, name, tag);
    }
}
