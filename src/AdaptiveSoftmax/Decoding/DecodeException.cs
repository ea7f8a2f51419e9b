namespace AdaptiveSoftmax;

/// <summary>Why decoding has no result for a hidden vector.</summary>
public enum DecodeFaultKind
{
    /// <summary>The hidden vector holds NaN or an infinity.</summary>
    HiddenNotFinite,

    /// <summary>A logit of the head is not finite: its weights hold NaN or an infinity, or it is too large for float32.</summary>
    HeadNotFinite,

    /// <summary>A logit of a tail that was computed is not finite.</summary>
    TailNotFinite,

    /// <summary>Mask, biases and policy of a sequence leave no token.</summary>
    NoTokenLeft,
}

/// <summary>What went wrong with one hidden vector.</summary>
/// <param name="Row">The hidden vector of the call; −1 where weights were copied and none is to blame.</param>
/// <param name="Kind">What went wrong.</param>
/// <param name="Cluster">Where: 0 for the head, i + 1 for tail i; −1 where no weights are to blame.</param>
/// <param name="Message">What, where, and how to mend it.</param>
public sealed record DecodeFault(int Row, DecodeFaultKind Kind, int Cluster, string Message);

/// <summary>
/// Decoding met a value that is not finite, or options that leave no token. Every call that decodes, scores, quantises or
/// certifies throws it.
/// </summary>
/// <remarks>
/// A row's fault is that row's alone: a call for many hidden vectors computes all others first, with the same bits as
/// without it, and then throws. Their results, and their sequences, are as if nothing had been thrown; the rows of
/// <see cref="Faults"/> have none, and their sequences are as they were.
/// </remarks>
public sealed class DecodeException : InvalidOperationException
{
    private const int Quoted = 3;

    internal DecodeException(IReadOnlyList<DecodeFault> faults)
        : base(Describe(faults)) => Faults = faults;

    /// <summary>What went wrong, one a hidden vector, in ascending order of rows.</summary>
    public IReadOnlyList<DecodeFault> Faults { get; }

    private static string Describe(IReadOnlyList<DecodeFault> faults)
    {
        var text = string.Join(" ", faults.Take(Quoted).Select(fault => fault.Message));
        return faults.Count > Quoted ? FormattableString.Invariant($"{text} {faults.Count - Quoted} more rows failed; Faults has them all.") : text;
    }
}
