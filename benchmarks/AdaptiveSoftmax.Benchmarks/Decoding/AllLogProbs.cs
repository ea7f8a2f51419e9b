namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What a decoder does that first computes all V log-probs: top-k and nucleus sampling over an array.</summary>
internal static class AllLogProbs
{
    private const int FirstGuess = 64;

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

    /// <summary>Draws from the nucleus. Few tokens are sorted in the usual case.</summary>
    public static int Nucleus(ReadOnlySpan<float> logProbs, float temperature, float topP, ref SampleRandom random)
    {
        var total = 0.0;
        foreach (var logProb in logProbs) total += MathF.Exp(logProb / temperature);
        for (var guess = FirstGuess; ; guess *= 8)
        {
            var size = Math.Min(guess, logProbs.Length);
            var (tokens, values) = (new int[size], new float[size]);
            TopK(logProbs, tokens, values);
            var sum = 0.0;
            var end = 0;
            while (end < size && sum < topP * total) sum += Math.Exp(values[end++] / temperature);
            if (sum < topP * total && size < logProbs.Length) continue;
            var target = random.NextDouble() * sum;
            for (var i = 0; i < end - 1; i++)
            {
                target -= Math.Exp(values[i] / temperature);
                if (target < 0) return tokens[i];
            }

            return tokens[end - 1];
        }
    }
}
