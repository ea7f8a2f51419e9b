using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>
/// The learning rate over a run, as a share of its peak: a rise over the first steps, then the peak, then a fall to zero.
/// A run that is bounded by time learns only on its way when the fall must begin; from there the schedule is fixed.
/// </summary>
internal sealed record Schedule
{
    /// <summary>The share of a run that the fall takes.</summary>
    public const double FallShare = 0.4;

    private static readonly LearningRateSchedule s_open = LearningRateSchedule.Constant(1).WithWarmUp(50);

    /// <summary>The first step of the run, which is not 0 where the run adds to another.</summary>
    public long Start { get; init; }

    /// <summary>The step at which the fall begins; null while that is open.</summary>
    public long? FallStart { get; init; }

    /// <summary>The step behind the last one; null while that is open.</summary>
    public long? End => FallStart is { } fallStart ? Start + (long)Math.Ceiling((fallStart - Start) / (1 - FallShare)) : null;

    /// <summary>The share of the peak rate at a step, in [0, 1].</summary>
    public double RateAt(long step)
    {
        if (FallStart is not { } fallStart || step < fallStart) return s_open.RateAt(step - Start);
        var fall = LearningRateSchedule.Linear(s_open.RateAt(fallStart - Start), 0, Math.Max(1, End!.Value - fallStart));
        return s_open.Then(fallStart - Start, fall).RateAt(step - Start);
    }
}
