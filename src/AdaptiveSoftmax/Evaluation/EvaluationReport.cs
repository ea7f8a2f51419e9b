namespace AdaptiveSoftmax;

/// <summary>How well a softmax does on hidden states whose next tokens are known. Everything but times is the same for any number of threads.</summary>
public sealed record EvaluationReport
{
    /// <summary>All targets.</summary>
    public required EvaluationFigures Whole { get; init; }

    /// <summary>Targets by cluster: the head's shortlist, then the tails.</summary>
    public required IReadOnlyList<EvaluationFigures> Clusters { get; init; }

    /// <summary>
    /// Targets by frequency: tenths of the table's occurrences, the most frequent tokens first, and last the tokens whose
    /// count is 0, if there are any. A token of several tenths leaves fewer. None without a table.
    /// </summary>
    public required IReadOnlyList<EvaluationFigures> Deciles { get; init; }

    /// <summary>Targets by domain, in the order of the options.</summary>
    public required IReadOnlyList<EvaluationFigures> Domains { get; init; }

    /// <summary>The calibration curve: how often the most probable token came, by the probability it was given.</summary>
    public required IReadOnlyList<CalibrationBin> Calibration { get; init; }

    /// <summary>The k of <see cref="EvaluationFigures.TopKAccuracy"/>.</summary>
    public required int TopK { get; init; }

    /// <summary>How many hidden vectors the times are medians of.</summary>
    public required int TimedTokens { get; init; }
}

/// <summary>Figures over some targets. Each is NaN where there are no targets, or nothing to compute it from.</summary>
public sealed record EvaluationFigures
{
    /// <summary><c>all</c>; <c>head</c>, <c>tail0</c> and so on; <c>1</c> to <c>10</c> or <c>unseen</c>; or the domain.</summary>
    public required string Name { get; init; }

    /// <summary>The first slot of the targets, where they are of neighbouring slots; otherwise 0.</summary>
    public int FirstSlot { get; init; }

    /// <summary>The number of slots; of the whole vocabulary where the targets are not of neighbouring ones.</summary>
    public required int Slots { get; init; }

    /// <summary>The targets.</summary>
    public required long Tokens { get; init; }

    /// <summary>The bytes of the targets, a special token's by its name; 0 without a table.</summary>
    public required long Bytes { get; init; }

    /// <summary>The mean of −log p(target), in nats.</summary>
    public required double Loss { get; init; }

    /// <summary>exp of <see cref="Loss"/>.</summary>
    public double Perplexity => Math.Exp(Loss);

    /// <summary>−log₂ p of all targets over their bytes: comparable between vocabularies.</summary>
    public double BitsPerByte => Bytes == 0 ? double.NaN : Loss * Tokens / Math.Log(2) / Bytes;

    /// <summary>The share of targets that are the most probable token.</summary>
    public required double Accuracy { get; init; }

    /// <summary>The share of targets among the k most probable tokens.</summary>
    public required double TopKAccuracy { get; init; }

    /// <summary>
    /// The expected calibration error: the mean, over targets, of the difference between the mean probability of the most
    /// probable token and the accuracy in its bin.
    /// </summary>
    public required double CalibrationError { get; init; }

    /// <summary>The mean number of tails that exact greedy decoding computes for a token.</summary>
    public required double TailsVisited { get; init; }

    /// <summary>The median time of a greedy prediction of one hidden vector, in microseconds.</summary>
    public required double Microseconds { get; init; }
}

/// <summary>The targets whose most probable token had a probability in (<see cref="From"/>, <see cref="To"/>].</summary>
/// <param name="From">The lower end.</param>
/// <param name="To">The upper end.</param>
/// <param name="Tokens">The targets.</param>
/// <param name="Confidence">The mean probability; NaN where there are no targets.</param>
/// <param name="Accuracy">The share of targets that were that token; NaN where there are none.</param>
public sealed record CalibrationBin(double From, double To, long Tokens, double Confidence, double Accuracy);
