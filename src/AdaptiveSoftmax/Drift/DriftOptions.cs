using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>What a <see cref="DriftMonitor"/> looks at, and when it speaks.</summary>
public sealed record DriftOptions
{
    /// <summary>What metrics call the monitor, where a process has several.</summary>
    public string Name { get; init; } = "drift";

    /// <summary>The tokens of a window at most; older ones leave it. Each tag takes 4 bytes a token. At most 2³⁰.</summary>
    public int WindowTokens { get; init; } = 65_536;

    /// <summary>The age at which tokens leave a window, to within a sixteenth; null for any age.</summary>
    public TimeSpan? WindowTime { get; init; }

    /// <summary>The tags with a window of their own, the empty tag included; others share <see cref="DriftMonitor.OtherTag"/>.</summary>
    public int MaximumTags { get; init; } = 64;

    /// <summary>
    /// The tokens, unknown ones included, that a window must hold to be judged. A text keeps to its topic, so a window of few
    /// requests looks drifted however many tokens each has: it should hold dozens.
    /// </summary>
    public int MinimumTokens { get; init; } = 16_384;

    /// <summary>The observed tokens of a tag after which it is judged; 0 to judge only in <see cref="DriftMonitor.Evaluate"/>.</summary>
    public int EvaluateEvery { get; init; } = 8_192;

    /// <summary>The population stability index, over clusters or over frequencies, from which there is drift.</summary>
    public double StabilityThreshold { get; init; } = 0.25;

    /// <summary>
    /// The Jensen-Shannon divergence above sampling noise, in nats, from which there is drift. Without any, 16 requests of
    /// 1,024 tokens each, cut from the text that was counted, reach 0.13, and 256 of them 0.03.
    /// </summary>
    public double JensenShannonThreshold { get; init; } = 0.2;

    /// <summary>The share of the thresholds below which all measures must fall for drift to end.</summary>
    public double ReleaseRatio { get; init; } = 0.8;

    /// <summary>The clock of <see cref="WindowTime"/>.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>The greatest measure of a report over its threshold: from 1 on there is drift.</summary>
    /// <param name="report">A report.</param>
    public double Severity(DriftReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var stability = Math.Max(report.ClusterStability, report.FrequencyStability);
        return Math.Max(stability / StabilityThreshold, report.ExcessJensenShannon / JensenShannonThreshold);
    }

    internal void Check()
    {
        ArgumentNullException.ThrowIfNull(Name);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentOutOfRangeException.ThrowIfLessThan(WindowTokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(WindowTokens, 1 << 30);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaximumTags, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MinimumTokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MinimumTokens, WindowTokens);
        ArgumentOutOfRangeException.ThrowIfNegative(EvaluateEvery);
        CheckPositive(StabilityThreshold, nameof(StabilityThreshold));
        CheckPositive(JensenShannonThreshold, nameof(JensenShannonThreshold));
        if (WindowTime is { } time) ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.FromMilliseconds(1));
        if (!(ReleaseRatio is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(ReleaseRatio), ReleaseRatio.ToString(CultureInfo.InvariantCulture), "The release ratio must be above 0 and at most 1.");
    }

    private static void CheckPositive(double value, string name)
    {
        if (!(value > 0))
            throw new ArgumentOutOfRangeException(name, value.ToString(CultureInfo.InvariantCulture), $"{name} must be above 0.");
    }
}

/// <summary>The counts that <see cref="DriftMonitor.WriteCounts"/> writes.</summary>
public enum DriftCounts
{
    /// <summary>The table's counts and the observed ones together.</summary>
    TableAndObserved,

    /// <summary>The observed counts alone.</summary>
    Observed,
}

/// <summary>Says that drift was found.</summary>
/// <param name="report">What was found.</param>
public sealed class DriftDetectedEventArgs(DriftReport report) : EventArgs
{
    /// <summary>What was found; its tag says where.</summary>
    public DriftReport Report { get; } = report;
}
