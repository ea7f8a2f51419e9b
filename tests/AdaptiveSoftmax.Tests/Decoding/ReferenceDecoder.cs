namespace AdaptiveSoftmax.Tests;

/// <summary>Decoding by definition: all V log-probs, then penalties, biases, mask, temperature and filters in plain float64.</summary>
internal sealed class ReferenceDecoder(double[] logProbs, DecodeOptions options)
{
    public Dictionary<int, int> History { get; init; } = [];

    public Dictionary<int, float> Bias { get; init; } = [];

    public HashSet<int>? Allowed { get; init; }

    /// <summary>The scores after penalties, biases and mask.</summary>
    public double[] Scores()
    {
        var scores = (double[])logProbs.Clone();
        foreach (var (token, count) in History)
            scores[token] = (scores[token] * options.RepetitionPenalty) - options.PresencePenalty - ((double)options.FrequencyPenalty * count);
        foreach (var (token, bias) in Bias) scores[token] += bias;
        for (var token = 0; token < scores.Length; token++)
        {
            if (Allowed?.Contains(token) == false) scores[token] = double.NegativeInfinity;
        }

        return scores;
    }

    /// <summary>The renormalised scores.</summary>
    public double[] Adjusted()
    {
        var scores = Scores();
        var top = scores.Max();
        var sum = top + Math.Log(scores.Sum(score => Math.Exp(score - top)));
        return [.. scores.Select(score => score - sum)];
    }

    /// <summary>The best tokens first.</summary>
    public int[] Order() => [.. Scores().Select((score, token) => (score, token)).Where(pair => !double.IsNegativeInfinity(pair.score)).OrderByDescending(pair => pair.score).ThenBy(pair => pair.token).Select(pair => pair.token)];

    /// <summary>The probability with which each token is drawn.</summary>
    public double[] Distribution()
    {
        var scores = Scores();
        var order = Order();
        var result = new double[scores.Length];
        if (options.Temperature == 0)
        {
            result[order[0]] = 1;
            return result;
        }

        var kept = options.TopK > 0 ? order[..Math.Min(options.TopK, order.Length)] : order;
        double Weight(int token) => Math.Exp((scores[token] - scores[order[0]]) / options.Temperature);
        var total = kept.Sum(Weight);
        if (options.TopP < 1)
        {
            var size = 0;
            for (var sum = 0.0; size < kept.Length && sum < options.TopP * total; size++) sum += Weight(kept[size]);
            kept = kept[..Math.Max(1, size)];
        }

        kept = [.. kept.Where((token, rank) => rank == 0 || Weight(token) >= options.MinP)];
        total = kept.Sum(Weight);
        foreach (var token in kept) result[token] = Weight(token) / total;
        return result;
    }
}
