using System.Globalization;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// What a rank does in a second, and the network between two of them: what <see cref="StepTime"/> makes a time of.
/// <see cref="Measure"/> measures it here; for machines that are not here, give numbers.
/// </summary>
public sealed record RankSpeeds
{
    /// <summary>The multiply-adds of a training step in a second: each weight of a row takes part in three for a token.</summary>
    public required double MultiplyAddsPerSecond { get; init; }

    /// <summary>The logits in a second, without their multiply-adds: exponentials, and the gradient that each becomes.</summary>
    public required double LogitsPerSecond { get; init; }

    /// <summary>The weights in a second whose gradient is set and whose step is taken, whatever the number of tokens.</summary>
    public required double WeightsPerSecond { get; init; }

    /// <summary>The bytes that a rank receives in a second, added up where they are to be.</summary>
    public required double BytesPerSecond { get; init; }

    /// <summary>
    /// The bytes that a rank receives in a second of what is put together instead of added up: messages, where ranks of one machine pass
    /// sums on through memory that they share. <see cref="BytesPerSecond"/> where nothing is said.
    /// </summary>
    public double GatheredBytesPerSecond
    {
        get => field > 0 ? field : BytesPerSecond;
        init;
    }

    /// <summary>The seconds until a message of no length has crossed between two ranks; among N, log₂ N times as long.</summary>
    public required double SecondsPerMessage { get; init; }

    /// <summary>
    /// Measures on all ranks at once, in about two seconds; all ranks call it. Where they differ, the slowest counts, so that all get
    /// the same numbers. One rank alone has no network: <see cref="BytesPerSecond"/> and <see cref="GatheredBytesPerSecond"/> are then infinite and <see cref="SecondsPerMessage"/> 0.
    /// </summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="threads">The threads of a rank, the caller's included, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no threads.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public static RankSpeeds Measure(Collectives ranks, int threads)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        return SpeedProbe.Measure(ranks, ThreadCount.Check(threads, nameof(threads)));
    }

    /// <summary>The numbers, each in its unit.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{MultiplyAddsPerSecond / 1e9:F1} billion multiply-adds, {LogitsPerSecond / 1e9:F2} billion logits and {WeightsPerSecond / 1e9:F2} billion weights a second; {BytesPerSecond / 1e6:N0} MB a second received of sums and {GatheredBytesPerSecond / 1e6:N0} of others, {SecondsPerMessage * 1e6:N0} µs a message");
}
