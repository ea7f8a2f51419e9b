namespace AdaptiveSoftmax;

/// <summary>
/// Turns log-probs into scores: penalties for tokens of the history, then biases, then the mask. It knows, before a tail is
/// computed, how far these can raise a token above its cluster's log-prob.
/// </summary>
internal readonly ref struct ScoreAdjustment(DecodeOptions options, TokenHistory? history)
{
    private readonly TokenHistory? _history = options.HasPenalties ? history : null;

    /// <summary>Whether a score of this part may differ from its log-prob. Part 0 is the head, part i + 1 is tail i.</summary>
    public bool Touches(int part) =>
        options.Mask?.IsPartial(part) == true || options.Bias?.Slots(part).Length > 0 || _history?.Distinct(part) > 0;

    /// <summary>The number of tokens of a part that may be chosen.</summary>
    public int AllowedCount(int part, int size) => options.Mask?.Count(part) ?? size;

    /// <summary>No score of the part is above this, given that no log-prob is above <paramref name="logProb"/>.</summary>
    /// <param name="part">The part.</param>
    /// <param name="logProb">The cluster's log-prob.</param>
    /// <param name="raised">How many of the part's tokens may have a score above <paramref name="logProb"/>.</param>
    public float Bound(int part, float logProb, out int raised)
    {
        raised = 0;
        if (!Touches(part)) return logProb;

        // The operations of Apply in their order, each of which rounding keeps monotone.
        var bound = logProb;
        if (_history?.Distinct(part) > 0)
        {
            bound *= MathF.Min(1, options.RepetitionPenalty);
            bound -= MathF.Min(options.PresencePenalty + options.FrequencyPenalty, options.PresencePenalty + (options.FrequencyPenalty * _history.MostFrequent(part)));
            if (bound > logProb) raised = _history.Distinct(part);
            bound = MathF.Max(bound, logProb);
        }

        if (options.Bias is { } bias && bias.LargestRaise(part) > 0)
        {
            bound += bias.LargestRaise(part);
            raised += bias.Slots(part).Length;
        }

        return bound;
    }

    /// <summary>Turns a part's log-probs into scores.</summary>
    /// <param name="part">The part.</param>
    /// <param name="start">The part's first slot.</param>
    /// <param name="size">The part's tokens.</param>
    /// <param name="scores">The log-probs, which become scores, [size].</param>
    /// <param name="originals">Receives the log-probs of the tokens whose scores differ.</param>
    public unsafe void Apply(int part, int start, int size, float* scores, Dictionary<int, float> originals)
    {
        if (!Touches(part)) return;
        if (_history?.Distinct(part) > 0)
        {
            var slots = _history.Slots;
            for (var i = 0; i < slots.Length; i++)
            {
                var at = slots[i] - start;
                if ((uint)at >= (uint)size) continue;
                originals.TryAdd(slots[i], scores[at]);
                scores[at] = (scores[at] * options.RepetitionPenalty) - (options.PresencePenalty + (options.FrequencyPenalty * _history.Counts[i]));
            }
        }

        if (options.Bias is { } bias)
        {
            var slots = bias.Slots(part);
            var values = bias.Values(part);
            for (var i = 0; i < slots.Length; i++)
            {
                originals.TryAdd(slots[i], scores[slots[i] - start]);
                scores[slots[i] - start] += values[i];
            }
        }

        options.Mask?.Apply(part, scores);
    }
}
