namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Greedy decoding, a token at a time, on hidden states of the sample's language model.</summary>
internal sealed class DecodeComparison : IComparison
{
    private const int Tokens = 64;
    private const int CountedTokens = 2048;

    public string Name => "decode";

    public string Description => "Greedy decoding at batch 1, hidden 512, o200k_base, on hidden states of the trained sample model: against a full matrix product and argmax, here and in TorchSharp.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, Tokens);
        using var torch = new TorchPeers(peers);
        using var product = new FullProduct(peers.Full.Parameters[0]);
        var (hidden, softmax, full) = (peers.Hidden, peers.Adaptive, peers.Full);

        session.Note($"Shortlist of {softmax.Layout.ShortlistSize:N0} and tails of {string.Join(" and ", softmax.Layout.Tails.Select(tail => $"{tail.Size:N0} x {tail.ProjectionWidth}"))}");
        Describe(session, softmax, peers.CreateStates(CountedTokens));
        Check(hidden, full, product);
        torch.CheckBest(torch.FullLogits, states => torch.FullLogits(states).argmax(1), i => product.Predict(hidden[i]));
        return session.Compare("token", Tokens,
            new Contender("adaptive softmax", () => Decode(hidden, softmax)),
            [
                new Contender("full softmax, same kernels", () => Decode(hidden, full)),
                new Contender("full product and argmax, plain SIMD loop", () => hidden.Sum(product.Predict)),
                new Contender("TorchSharp, linear and argmax", () => torch.Sum((states, _) => torch.FullLogits(states).argmax(1))),
            ]);
    }

    private static long Decode(HiddenStates hidden, AdaptiveSoftmaxLayer softmax) => hidden.Sum(state => softmax.Predict(state));

    /// <summary>Says how many predictions look into a tail: those where a tail as a whole is likelier than any one token of the shortlist.</summary>
    private static void Describe(ComparisonSession session, AdaptiveSoftmaxLayer softmax, HiddenStates hidden)
    {
        var layout = softmax.Layout;
        var logProbs = new float[layout.VocabularySize];
        var (visits, tokensOfTails) = (new int[layout.TailCount], 0);
        for (var i = 0; i < hidden.Count; i++)
        {
            softmax.LogProb(hidden[i], logProbs);
            var best = Max(logProbs.AsSpan(0, layout.ShortlistSize));
            // Visited in descending order of their probabilities, each only if it can still beat what was found.
            foreach (var (tail, mass) in layout.Tails.Select(tail => (tail, mass: LogSumExp(logProbs.AsSpan(tail.Start, tail.Size)))).OrderByDescending(pair => pair.mass))
            {
                if (mass <= best) break;
                visits[tail.Index]++;
                var inTail = Max(logProbs.AsSpan(tail.Start, tail.Size));
                if (inTail <= best) continue;
                best = inTail;
                tokensOfTails++;
            }
        }

        session.Note($"Of {hidden.Count:N0} predictions {string.Join(", ", visits.Select((count, i) => $"{100.0 * count / hidden.Count:F1} % visit tail {i}"))}; {100.0 * tokensOfTails / hidden.Count:F1} % find their token in one");
    }

    private static void Check(HiddenStates hidden, DynamicAdaptiveSoftmax full, FullProduct product)
    {
        for (var i = 0; i < 8; i++)
        {
            if (full.Predict(hidden[i]) != product.Predict(hidden[i])) throw new InvalidOperationException("The two peers predict different tokens.");
        }
    }

    private static float Max(ReadOnlySpan<float> values)
    {
        var max = float.NegativeInfinity;
        foreach (var value in values) max = MathF.Max(max, value);
        return max;
    }

    private static double LogSumExp(ReadOnlySpan<float> values)
    {
        var sum = 0.0;
        foreach (var value in values) sum += Math.Exp(value);
        return Math.Log(sum);
    }
}
