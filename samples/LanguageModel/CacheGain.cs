using AdaptiveSoftmax;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>
/// What a continuous cache of the last states gains on held-out text, read in order: θ and λ are the best of a small grid on its
/// first part, and judged on the part that follows.
/// </summary>
/// <param name="States">The states that the cache keeps.</param>
/// <param name="ChosenOn">The tokens that θ and λ were chosen on.</param>
/// <param name="JudgedOn">The tokens that perplexities are of.</param>
/// <param name="Theta">θ.</param>
/// <param name="Weight">λ.</param>
/// <param name="Without">The perplexity of the model alone.</param>
/// <param name="With">The perplexity of the mixture.</param>
/// <param name="TailsWithout">The tails that a greedy step of the model alone computes, on average over the tokens judged on.</param>
/// <param name="TailsWith">The same of the mixture.</param>
/// <param name="MillisecondsWithout">The median time of a greedy step of the softmax.</param>
/// <param name="MillisecondsWith">The median time of a step with the cache: retrieving, deciding, and keeping the state.</param>
internal sealed record CacheGain(int States, int ChosenOn, int JudgedOn, float Theta, float Weight, double Without, double With, double TailsWithout, double TailsWith, double MillisecondsWithout, double MillisecondsWith)
{
    private const int MostTokens = 8192;
    private const int TimedTokens = 400;
    private const int TokensPerBatch = 256;

    private static readonly float[] s_thetas = [0.02f, 0.04f, 0.08f, 0.16f, 0.32f, 0.64f];
    private static readonly float[] s_weights = [0, 0.02f, 0.05f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f];

    /// <summary>Measures it.</summary>
    /// <param name="model">The trained model.</param>
    /// <param name="text">Held-out text.</param>
    /// <param name="states">The states that the cache keeps.</param>
    /// <param name="cancellation">Stops between two passes.</param>
    public static CacheGain Measure(Model model, int[] text, int states, CancellationToken cancellation)
    {
        var validation = Read(model, text, 0, Math.Min(MostTokens, text.Length / 2));
        var test = Read(model, text, validation.Count, Math.Min(MostTokens, text.Length - validation.Count));
        var (best, theta, weight) = (double.PositiveInfinity, 0f, 0f);
        foreach (var candidate in s_thetas)
        {
            cancellation.ThrowIfCancellationRequested();
            var perplexities = validation.Perplexities(model.Softmax, new PointerCache(model.Softmax, states, candidate), s_weights);
            for (var i = 0; i < s_weights.Length; i++)
            {
                if (perplexities[i] < best) (best, theta, weight) = (perplexities[i], candidate, s_weights[i]);
            }
        }

        var judged = test.Perplexities(model.Softmax, new PointerCache(model.Softmax, states, theta), [0, weight]);
        var (tailsWithout, tailsWith) = test.CountTails(model.Softmax, new PointerCache(model.Softmax, states, theta), weight);
        var (without, with) = test.Time(model.Softmax, new PointerCache(model.Softmax, states, theta), weight);
        return new CacheGain(states, validation.Count, test.Count, theta, weight, judged[0], judged[1], tailsWithout, tailsWith, without, with);
    }

    /// <summary>Says it.</summary>
    public void Write(IAnsiConsole console)
    {
        console.Say($"A cache of the last {States:N0} states, with θ {Theta} and λ {Weight} chosen on {ChosenOn:N0} tokens of held-out text:");
        console.Say($"perplexity of the next {JudgedOn:N0} {Without:F2} without and {With:F2} with it; a greedy step of the softmax computes {TailsWithout:F2} tails and takes {MillisecondsWithout:F3} ms without, {TailsWith:F2} tails and {MillisecondsWith:F3} ms with it.");
    }

    private static TextStates Read(Model model, int[] text, int start, int count)
    {
        var size = model.Layout.HiddenSize;
        var (hidden, logProbs) = (new float[count * size], new float[count]);
        foreach (var part in Enumerable.Range(0, count).Chunk(TokensPerBatch))
        {
            var batch = new Batch(part.Length, model.Window);
            batch.Fill(text, [.. part.Select(i => start + i)], model.EndOfText);
            var own = hidden.AsSpan(part[0] * size, part.Length * size);
            model.CopyHidden(batch.Windows, own);
            model.Softmax.LogProbOf(own, batch.Targets, logProbs.AsSpan(part[0], part.Length));
        }

        return new TextStates(text.AsMemory(start, count), hidden, logProbs, size);
    }

    /// <summary>Consecutive tokens of a text, the state before each, and its log-prob.</summary>
    private sealed record TextStates(ReadOnlyMemory<int> Tokens, float[] Hidden, float[] LogProbs, int Size)
    {
        public int Count => LogProbs.Length;

        private ReadOnlySpan<float> State(int i) => Hidden.AsSpan(i * Size, Size);

        /// <summary>The perplexity at each λ.</summary>
        public double[] Perplexities(SoftmaxDecoder softmax, PointerCache cache, ReadOnlySpan<float> weights)
        {
            var losses = new double[weights.Length];
            var retrieved = softmax.CreateRetrieved();
            for (var i = 0; i < Count; i++)
            {
                var token = Tokens.Span[i];
                cache.Retrieve(State(i), retrieved);
                for (var k = 0; k < weights.Length; k++) losses[k] -= retrieved.Mix(LogProbs[i], token, weights[k]);
                cache.Add(State(i), token);
            }

            return [.. losses.Select(loss => Math.Exp(loss / Count))];
        }

        /// <summary>The tails that greedy steps compute without the cache and with it, on average.</summary>
        public (double Without, double With) CountTails(SoftmaxDecoder softmax, PointerCache cache, float weight)
        {
            using var session = softmax.CreateSession();
            var retrieved = softmax.CreateRetrieved();
            var (tokens, logProbs) = (new int[1], new float[1]);
            var (without, with) = (0, 0);
            for (var i = 0; i < Count; i++)
            {
                without += session.TopK(State(i), tokens, logProbs).TailsVisited;
                cache.Retrieve(State(i), retrieved);
                with += session.TopK(State(i), retrieved, weight, tokens, logProbs).TailsVisited;
                cache.Add(State(i), Tokens.Span[i]);
            }

            return ((double)without / Count, (double)with / Count);
        }

        /// <summary>The median milliseconds of a greedy step without the cache and with it, once it is full.</summary>
        public (double Without, double With) Time(SoftmaxDecoder softmax, PointerCache cache, float weight)
        {
            using var session = softmax.CreateSession();
            var retrieved = softmax.CreateRetrieved();
            var (tokens, logProbs) = (new int[1], new float[1]);
            for (var i = 0; i < cache.Capacity; i++) cache.Add(State(i % Count), Tokens.Span[i % Count]);
            var items = Math.Min(TimedTokens, Count);
            return (
                Timing.MedianOver(items, i => session.TopK(State(i), tokens, logProbs)),
                Timing.MedianOver(items, i =>
                {
                    cache.Retrieve(State(i), retrieved);
                    session.TopK(State(i), retrieved, weight, tokens, logProbs);
                    cache.Add(State(i), Tokens.Span[i]);
                }));
        }
    }
}
