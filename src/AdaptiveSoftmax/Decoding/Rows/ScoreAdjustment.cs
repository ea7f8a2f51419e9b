namespace AdaptiveSoftmax;

/// <summary>
/// Turns log-probs into scores: penalties for tokens of the history, then biases, then the mask. It knows, before a tail is
/// computed, how far these can raise a token above its cluster's log-prob.
/// </summary>
internal readonly ref struct ScoreAdjustment(DecodeOptions options, TokenHistory? history)
{
    private readonly TokenHistory? _history = options.HasPenalties ? history : null;

    /// <summary>Whether a score of this cluster may differ from its log-prob. Cluster 0 is the head, cluster i + 1 is tail i.</summary>
    public bool Touches(int cluster) =>
        options.Mask?.IsPartial(cluster) == true || options.Bias?.Slots(cluster).Length > 0 || _history?.Distinct(cluster) > 0;

    /// <summary>The number of tokens of a cluster that may be chosen.</summary>
    public int AllowedCount(int cluster, int size) => options.Mask?.Count(cluster) ?? size;

    /// <summary>No score of the cluster is above this, given that no log-prob is above <paramref name="logProb"/>.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="logProb">The cluster's log-prob.</param>
    /// <param name="raised">How many of the cluster's tokens may have a score above <paramref name="logProb"/>.</param>
    public float Bound(int cluster, float logProb, out int raised)
    {
        raised = 0;
        if (!Touches(cluster)) return logProb;

        // The operations of Apply in their order, each of which rounding keeps monotone.
        var bound = logProb;
        if (_history?.Distinct(cluster) > 0)
        {
            bound *= MathF.Min(1, options.RepetitionPenalty);
            bound -= MathF.Min(options.PresencePenalty + options.FrequencyPenalty, options.PresencePenalty + (options.FrequencyPenalty * _history.MostFrequent(cluster)));
            if (bound > logProb) raised = _history.Distinct(cluster);
            bound = MathF.Max(bound, logProb);
        }

        if (options.Bias is { } bias && bias.LargestRaise(cluster) > 0)
        {
            bound += bias.LargestRaise(cluster);
            raised += bias.Slots(cluster).Length;
        }

        return bound;
    }

    /// <summary>What becomes of one token's log-prob.</summary>
    /// <param name="slot">The token's slot.</param>
    /// <param name="cluster">Its cluster.</param>
    /// <param name="logProb">A log-prob, which need not be the model's.</param>
    public double Of(int slot, int cluster, double logProb)
    {
        if (options.Mask?.Allows(slot) == false) return double.NegativeInfinity;
        if (_history?.CountOf(slot) is > 0 and var count) logProb = (logProb * options.RepetitionPenalty) - (options.PresencePenalty + ((double)options.FrequencyPenalty * count));
        if (options.Bias is { } bias && bias.Slots(cluster).BinarySearch(slot) is >= 0 and var at) logProb += bias.Values(cluster)[at];
        return logProb;
    }

    /// <summary>What becomes of the tokens of a cluster whose scores differ, for log-probs that lie elsewhere; the mask comes behind it.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="start">The cluster's first slot.</param>
    /// <param name="size">The cluster's tokens.</param>
    /// <param name="shifts">Receives an entry a token.</param>
    public void Describe(int cluster, int start, int size, List<ScoreShift> shifts)
    {
        var biased = options.Bias is null ? default : options.Bias.Slots(cluster);
        var biases = options.Bias is null ? default : options.Bias.Values(cluster);
        var penalized = _history?.Distinct(cluster) > 0 ? _history.Slots : default;
        for (var i = 0; i < penalized.Length; i++)
        {
            if ((uint)(penalized[i] - start) >= (uint)size) continue;
            var at = biased.BinarySearch(penalized[i]);
            shifts.Add(new ScoreShift(penalized[i], options.RepetitionPenalty, options.PresencePenalty + (options.FrequencyPenalty * _history!.Counts[i]), at < 0 ? 0 : biases[at]));
        }

        for (var i = 0; i < biased.Length; i++)
        {
            // Those of the history are there.
            if (!(_history?.CountOf(biased[i]) > 0)) shifts.Add(new ScoreShift(biased[i], Factor: 1, Loss: 0, biases[i]));
        }
    }

    /// <summary>Turns a cluster's log-probs into scores.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="start">The cluster's first slot.</param>
    /// <param name="size">The cluster's tokens.</param>
    /// <param name="scores">The log-probs, which become scores, [size].</param>
    /// <param name="originals">Receives the log-probs of the tokens whose scores differ.</param>
    public unsafe void Apply(int cluster, int start, int size, float* scores, Dictionary<int, float> originals)
    {
        if (!Touches(cluster)) return;
        if (_history?.Distinct(cluster) > 0)
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
            var slots = bias.Slots(cluster);
            var values = bias.Values(cluster);
            for (var i = 0; i < slots.Length; i++)
            {
                originals.TryAdd(slots[i], scores[slots[i] - start]);
                scores[slots[i] - start] += values[i];
            }
        }

        options.Mask?.Apply(cluster, scores);
    }
}

/// <summary>What becomes of one token's log-prob: times the factor, less the loss, plus the bias.</summary>
internal readonly record struct ScoreShift(int Slot, float Factor, float Loss, float Bias);
