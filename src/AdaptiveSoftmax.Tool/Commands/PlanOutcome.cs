using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>plan</c> found.</summary>
/// <param name="Plan">The plan.</param>
/// <param name="Options">What it keeps to.</param>
internal sealed record PlanOutcome(ClusterPlan Plan, ClusterPlanOptions Options)
{
    /// <summary>Other div values, where the command line left the widths open.</summary>
    public IReadOnlyList<FrontierPoint> Frontier { get; init; } = [];

    /// <summary>Plans and a full softmax as they ran, where that was asked for.</summary>
    public IReadOnlyList<PlanMeasurement> Measured { get; init; } = [];

    /// <summary>The spec that was written, its fingerprint, and the members of an earlier one that it keeps.</summary>
    public WrittenSpec? Written { get; init; }
}

/// <summary>A spec that was written.</summary>
/// <param name="File">Where.</param>
/// <param name="Fingerprint">Its fingerprint.</param>
/// <param name="Kept">The members that it keeps of the spec that was there.</param>
internal sealed record WrittenSpec(string File, string Fingerprint, IReadOnlyList<string> Kept);
