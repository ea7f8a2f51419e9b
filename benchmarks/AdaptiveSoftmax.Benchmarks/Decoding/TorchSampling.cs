using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Two ways to draw from the nucleus in TorchSharp's operations: log-probs [n, vocabulary] give slots, [n, 1].</summary>
internal static class TorchSampling
{
    // The nucleus of a trained model has rarely more tokens.
    private const long FirstGuess = 1024;

    /// <summary>As Hugging Face's top-p warper does: sorts all tokens and masks those past the nucleus.</summary>
    public static Tensor SortAll(Tensor logProbs, float temperature, float topP)
    {
        var scores = logProbs / temperature;
        var (sorted, order) = scores.sort(1);
        var isPast = sorted.softmax(1).cumsum(1).le(1 - topP);
        isPast.narrow(1, isPast.shape[1] - 1, 1).fill_(false);
        return scores.masked_fill(isPast.scatter(1, order, isPast), float.NegativeInfinity).softmax(1).multinomial(1);
    }

    /// <summary>The faster way: looks only at the best tokens, at more of them where some row's nucleus does not end there.</summary>
    public static Tensor TakeBest(Tensor logProbs, float temperature, float topP)
    {
        var probs = (logProbs / temperature).softmax(1);
        for (var count = FirstGuess; ; count *= 4)
        {
            var isAll = count >= probs.shape[1];
            var (best, slots) = probs.topk((int)Math.Min(count, probs.shape[1]));
            var sums = best.cumsum(1);
            if (!isAll && sums.narrow(1, sums.shape[1] - 1, 1).lt(topP).any().item<bool>()) continue;
            var nucleus = best.masked_fill((sums - best).ge(topP), 0);
            return slots.gather(1, nucleus.multinomial(1));
        }
    }

    /// <summary>Fails unless a token is in the nucleus: the better ones have less than top-p, up to rounding.</summary>
    /// <param name="logProbs">The log-probs, [vocabulary].</param>
    /// <param name="slot">The token's slot.</param>
    /// <param name="temperature">The temperature.</param>
    /// <param name="topP">The probability of the nucleus.</param>
    public static void CheckInNucleus(ReadOnlySpan<float> logProbs, long slot, float temperature, float topP)
    {
        var (better, total) = (0.0, 0.0);
        foreach (var logProb in logProbs)
        {
            var weight = Math.Exp((double)logProb / temperature);
            total += weight;
            if (logProb > logProbs[(int)slot]) better += weight;
        }

        if (better > (topP + 1e-4) * total)
            throw new InvalidOperationException($"The tokens that are likelier than the one in slot {slot} have {better / total:F6} together; it is not in the nucleus of {topP}.");
    }
}
