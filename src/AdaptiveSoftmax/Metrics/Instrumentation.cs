namespace AdaptiveSoftmax;

/// <summary>The names under which the library reports what it does; docs/monitoring.md lists the instruments.</summary>
public static class Instrumentation
{
    /// <summary>The name of the <see cref="System.Diagnostics.Metrics.Meter"/>.</summary>
    public const string MeterName = "AdaptiveSoftmax";

    /// <summary>The name of the <see cref="System.Diagnostics.ActivitySource"/>.</summary>
    public const string ActivitySourceName = "AdaptiveSoftmax";
}
