namespace AdaptiveSoftmax;

/// <summary>
/// Turns the logits of a softmax without tails into scores, in float64: what penalties and biases make of a log-prob, plus the
/// log-sum-exp, which is common to all. Each is monotone in the logit, so that a bound of it becomes a bound of the score.
/// </summary>
internal readonly ref struct LogitScores(LogitSource source, DecodeOptions options, TokenHistory? history)
{
    private readonly TokenHistory? _history = options.HasPenalties && history?.DistinctCount > 0 ? history : null;

    /// <summary>No score is further from its logit, beyond the repetition penalty's.</summary>
    public double LargestShift
    {
        get
        {
            var (shift, largest) = (0.0, 0.0);
            if (_history is not null) shift += Math.Abs((double)options.PresencePenalty) + (Math.Abs((double)options.FrequencyPenalty) * _history.MostFrequent(0));
            foreach (var value in options.Bias is null ? [] : options.Bias.Values(0)) largest = float.IsNegativeInfinity(value) ? largest : Math.Max(largest, Math.Abs((double)value));
            return shift + largest;
        }
    }

    /// <summary>A row's score.</summary>
    public double Of(int row, float logit)
    {
        var score = (double)logit;
        if (_history?.CountOf(row) is > 0 and var count)
        {
            if (options.RepetitionPenalty != 1) score = ((score - source.LogSumExp) * options.RepetitionPenalty) + source.LogSumExp;
            score -= options.PresencePenalty + ((double)options.FrequencyPenalty * count);
        }

        if (options.Bias is { } bias && bias.Slots(0).BinarySearch(row) is >= 0 and var at) score += bias.Values(0)[at];
        return score;
    }

    /// <summary>Moves the bounds of the rows whose scores are not their logits, and forbids what the mask does not allow.</summary>
    public unsafe void Apply()
    {
        var slots = _history is null ? default : _history.Slots;
        foreach (var slot in slots) Move(slot);
        if (options.Bias is { } bias)
        {
            foreach (var slot in bias.Slots(0))
            {
                // Those of the history have moved.
                if (_history is null || _history.CountOf(slot) == 0) Move(slot);
            }
        }

        options.Mask?.Apply(cluster: 0, source.Upper);
    }

    private unsafe void Move(int slot)
    {
        var score = Of(slot, source.Upper[slot]);
        source.Upper[slot] = double.IsNegativeInfinity(score) ? float.NegativeInfinity : MathF.BitIncrement((float)score);
        ref var bound = ref source.Bound[slot / source.RowsPerTile];
        bound = MathF.Max(bound, source.Upper[slot]);
    }
}
