namespace AdaptiveSoftmax;

/// <summary>
/// Turns the logits of a softmax without tails into scores, in float64: what penalties and biases make of a log-prob, plus the
/// log-sum-exp, which is common to all. Each is monotone in the logit, so that a bound of it becomes a bound of the score.
/// </summary>
/// <remarks>
/// A repetition penalty θ makes θ · logit + (1 − θ) · log-sum-exp of a logit. Where only bounds of the log-sum-exp are known, such a
/// score lies between those that the bounds give; scores of two such tokens move together.
/// </remarks>
internal readonly ref struct LogitScores
{
    // Scores are sums and products of a few float64 numbers; so much of their magnitudes is more than these roundings lose.
    private const double Rounding = 1.0 / (1ul << 44);

    private readonly LogitSource _source;
    private readonly DecodeOptions _options;
    private readonly TokenHistory? _history;
    private readonly double _least;
    private readonly double _most;

    /// <summary>Scores of logits.</summary>
    /// <param name="source">The logits.</param>
    /// <param name="options">Penalties, biases and mask.</param>
    /// <param name="history">The tokens so far, for penalties.</param>
    /// <param name="least">The log-sum-exp is not below this; NaN where no penalty needs it.</param>
    /// <param name="most">Nor above this.</param>
    public LogitScores(LogitSource source, DecodeOptions options, TokenHistory? history, double least, double most)
    {
        (_source, _options, _least, _most) = (source, options, least, most);
        _history = options.HasPenalties && history?.DistinctCount > 0 ? history : null;
        if (_history is not null) LargestShift += Math.Abs((double)options.PresencePenalty) + (Math.Abs((double)options.FrequencyPenalty) * _history.MostFrequent(0));
        var largest = 0.0;
        foreach (var value in options.Bias is null ? [] : options.Bias.Values(0)) largest = float.IsNegativeInfinity(value) ? largest : Math.Max(largest, Math.Abs((double)value));
        LargestShift += largest;
        HasIntervals = NeedsLogSumExp(options, history) && least != most;
        if (!HasIntervals) return;

        var normalizer = Math.Max(Math.Abs(least), Math.Abs(most));
        LargestShift += (Math.Max(1, options.RepetitionPenalty) * (source.LargestLogit + normalizer)) + normalizer;
        Margin = (source.LargestLogit + LargestShift + (GumbelNoise.Largest * options.Temperature)) * Rounding;
    }

    /// <summary>No score is further from its logit, beyond a repetition penalty's with a log-sum-exp that is known.</summary>
    public double LargestShift { get; }

    /// <summary>Whether some scores are known by bounds alone, since the log-sum-exp is.</summary>
    public bool HasIntervals { get; }

    /// <summary>More than the rounding of such a score; its bounds are that much apart from it.</summary>
    public double Margin { get; }

    /// <summary>Whether some score hangs on the log-sum-exp.</summary>
    public static bool NeedsLogSumExp(DecodeOptions options, TokenHistory? history) => options.RepetitionPenalty != 1 && history?.DistinctCount > 0;

    /// <summary>Whether a row's score is known by bounds alone.</summary>
    public bool IsOpen(int row) => HasIntervals && _history!.CountOf(row) > 0;

    /// <summary>The rows whose scores are known by bounds alone.</summary>
    public ReadOnlySpan<int> OpenSlots => HasIntervals ? _history!.Slots : default;

    /// <summary>A row's score, where it hangs on no log-sum-exp or on one that is known.</summary>
    public double Of(int row, float logit) => Of(row, logit, _least);

    /// <summary>Between what a row's score lies; the same twice where it is known.</summary>
    public (double Low, double High) Bounds(int row, float logit)
    {
        var score = Of(row, logit, _least);
        if (!IsOpen(row)) return (score, score);
        var other = Of(row, logit, _most);
        return (Math.Min(score, other) - Margin, Math.Max(score, other) + Margin);
    }

    /// <summary>Moves the bounds of the rows whose scores are not their logits, and forbids what the mask does not allow.</summary>
    public unsafe void Apply()
    {
        var slots = _history is null ? default : _history.Slots;
        foreach (var slot in slots) Move(slot);
        if (_options.Bias is { } bias)
        {
            foreach (var slot in bias.Slots(0))
            {
                // Those of the history have moved.
                if (_history is null || _history.CountOf(slot) == 0) Move(slot);
            }
        }

        _options.Mask?.Apply(cluster: 0, _source.Upper);
    }

    private double Of(int row, float logit, double logSumExp)
    {
        var score = (double)logit;
        if (_history?.CountOf(row) is > 0 and var count)
        {
            if (_options.RepetitionPenalty != 1) score = ((score - logSumExp) * _options.RepetitionPenalty) + logSumExp;
            score -= _options.PresencePenalty + ((double)_options.FrequencyPenalty * count);
        }

        if (_options.Bias is { } bias && bias.Slots(0).BinarySearch(row) is >= 0 and var at) score += bias.Values(0)[at];
        return score;
    }

    private unsafe void Move(int slot)
    {
        var score = Bounds(slot, _source.Upper[slot]).High;
        _source.Upper[slot] = double.IsNegativeInfinity(score) ? float.NegativeInfinity : MathF.BitIncrement((float)score);
        ref var bound = ref _source.Bound[slot / _source.RowsPerTile];
        bound = MathF.Max(bound, _source.Upper[slot]);
    }
}
