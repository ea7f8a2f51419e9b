namespace AdaptiveSoftmax.Tests;

/// <summary>Decoding with retrieved tokens by definition: p and q of all tokens in plain float64, mixed, and then filtered.</summary>
internal sealed class ReferenceMixture(double[] logProbs, ReferenceDecoder decoder, Dictionary<int, double> retrieved, double weight, DecodeOptions options)
{
    private readonly double _total = retrieved.Values.Sum();

    /// <summary>log((1 − λ) p + λ q) of the model's own p.</summary>
    public double[] Model() => [.. logProbs.Select((logProb, token) => Math.Log(((1 - Share(retrieved)) * Math.Exp(logProb)) + (Share(retrieved) * (_total > 0 ? retrieved.GetValueOrDefault(token) / _total : 0))))];

    /// <summary>The mixture after penalties, biases and mask, p at a temperature.</summary>
    public double[] Mixture(double temperature = 1)
    {
        var scores = decoder.Scores();
        var best = scores.Max();
        var weights = scores.Select(score => Math.Exp((score - best) / temperature)).ToArray();
        var (sum, q) = (weights.Sum(), Adjusted());
        var share = Share(q);
        return [.. weights.Select((w, token) => ((1 - share) * w / sum) + (share * q.GetValueOrDefault(token)))];
    }

    /// <summary>The tokens that may be chosen, best first.</summary>
    public static int[] Order(double[] mixture) =>
        [.. mixture.Select((mass, token) => (mass, token)).Where(pair => pair.mass > 0).OrderByDescending(pair => pair.mass).ThenBy(pair => pair.token).Select(pair => pair.token)];

    /// <summary>The probability with which each token is drawn.</summary>
    public double[] Distribution()
    {
        var result = new double[logProbs.Length];
        var mixture = Mixture(options.Temperature == 0 ? 1 : options.Temperature);
        var kept = Order(mixture);
        if (options.Temperature == 0)
        {
            result[kept[0]] = 1;
            return result;
        }

        if (options.TopK > 0) kept = kept[..Math.Min(options.TopK, kept.Length)];
        if (options.TopP < 1)
        {
            var (size, target) = (0, options.TopP * kept.Sum(token => mixture[token]));
            for (var sum = 0.0; size < kept.Length && sum < target; size++) sum += mixture[kept[size]];
            kept = kept[..Math.Max(1, size)];
        }

        kept = [.. kept.Where((token, rank) => rank == 0 || mixture[token] >= options.MinP * mixture[kept[0]])];
        var total = kept.Sum(token => mixture[token]);
        foreach (var token in kept) result[token] = mixture[token] / total;
        return result;
    }

    private double Share(Dictionary<int, double> q) => q.Values.Sum() > 0 ? weight : 0;

    // q after the same penalties, biases and mask as p.
    private Dictionary<int, double> Adjusted()
    {
        var result = new Dictionary<int, double>();
        foreach (var (token, mass) in retrieved)
        {
            var score = Math.Log(mass / _total);
            if (decoder.History.TryGetValue(token, out var count)) score = (score * options.RepetitionPenalty) - options.PresencePenalty - ((double)options.FrequencyPenalty * count);
            if (decoder.Bias.TryGetValue(token, out var bias)) score += bias;
            result[token] = decoder.Allowed?.Contains(token) == false ? 0 : Math.Exp(score);
        }

        var sum = result.Values.Sum();
        return result.ToDictionary(pair => pair.Key, pair => sum > 0 ? pair.Value / sum : 0);
    }
}
