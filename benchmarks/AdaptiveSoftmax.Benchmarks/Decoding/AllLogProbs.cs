namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What a decoder does that first computes all V log-probs: top-k and nucleus sampling over an array.</summary>
internal static class AllLogProbs
{
    /// <summary>The best tokens, best first.</summary>
    public static void TopK(ReadOnlySpan<float> logProbs, Span<int> tokens, Span<float> values)
    {
        var count = 0;
        for (var token = 0; token < logProbs.Length; token++)
        {
            if (count == tokens.Length && logProbs[token] <= values[count - 1]) continue;
            var at = count < tokens.Length ? count++ : count - 1;
            for (; at > 0 && values[at - 1] < logProbs[token]; at--) (values[at], tokens[at]) = (values[at - 1], tokens[at - 1]);
            (values[at], tokens[at]) = (logProbs[token], token);
        }
    }

    /// <summary>Draws from the nucleus.</summary>
    public static int Nucleus(ReadOnlySpan<float> logProbs, float temperature, float topP, ref SampleRandom random)
    {
        var total = 0.0;
        foreach (var logProb in logProbs) total += MathF.Exp(logProb / temperature);

        // All tokens of less weight than this have together less than top-p leaves out, so only the others need sorting.
        var least = temperature * (float)Math.Log(total * (1 - topP) / logProbs.Length);
        var (tokens, values) = (new List<int>(), new List<float>());
        for (var token = 0; token < logProbs.Length; token++)
        {
            if (logProbs[token] < least) continue;
            tokens.Add(token);
            values.Add(-logProbs[token]);
        }

        var (sortedTokens, sortedValues) = (tokens.ToArray(), values.ToArray());
        Array.Sort(sortedValues, sortedTokens);
        var (sum, end) = (0.0, 0);
        while (end < sortedValues.Length && sum < topP * total) sum += Math.Exp(-sortedValues[end++] / temperature);
        var target = random.Uniform() * sum;
        random = random.Next();
        for (var i = 0; i < end - 1; i++)
        {
            target -= Math.Exp(-sortedValues[i] / temperature);
            if (target < 0) return sortedTokens[i];
        }

        return sortedTokens[end - 1];
    }
}
