namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Batches of 8 calls on a dense head: top-k, and draws whose rows ask for different things. The figure is the stored weights' time over certified, for the draws.</summary>
internal sealed class DenseBatchComparison : IComparison
{
    private const int States = 32;
    private const int Batch = 8;
    private const int Best = 10;

    public string Name => "dense-batch";

    public string Description => "Batches of 8 on a dense head of 200,019 x 512, over hidden states of the trained sample model: the ten best tokens, and draws with options of all kinds in one batch, certified against all stored weights.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DenseHeadPeers(session, States);
        using var certified = peers.Float32.Certify();
        using var ours = certified.CreateSession();
        using var stored = peers.Float32.CreateSession();
        var unreported = new DecodeOptions { LogProbError = float.PositiveInfinity };
        foreach (var error in (ReadOnlySpan<float>)[float.PositiveInfinity, 1, 0.3f, 0.1f, 0.05f, 0.02f, 0.01f, 0.005f])
        {
            var start = ours.Statistics;
            var same = Rank(peers, ours, unreported with { LogProbError = error }) == Rank(peers, stored, unreported with { LogProbError = error });
            var end = ours.Statistics;
            session.Note($"top {Best} with log-probs within {error}: {end.Predictions - start.Predictions - end.StoredPredictions + start.StoredPredictions} of {States} decided by bounds, {end.StoredPredictions - start.StoredPredictions} tried in vain, tokens {(same ? "the same" : "NOT the same")}");
        }

        var mixed = Mixed(inversion: false);
        var measurements = session.Measure([
            new($"certified: top {Best}, no log-prob", () => Rank(peers, ours, unreported)),
            new($"certified: top {Best}, log-probs within 0.3", () => Rank(peers, ours, unreported with { LogProbError = 0.3f })),
            new($"certified: top {Best}, log-probs within 0.02", () => Rank(peers, ours, unreported with { LogProbError = 0.02f })),
            new($"all stored weights: top {Best}", () => Rank(peers, stored, unreported)),
            new("certified: mixed draws", () => Draw(peers, ours, mixed)),
            new("all stored weights: mixed draws", () => Draw(peers, stored, mixed)),
            new("certified: mixed draws, one by inversion", () => Draw(peers, ours, Mixed(inversion: true))),
            new("all stored weights: mixed draws, one by inversion", () => Draw(peers, stored, Mixed(inversion: true))),
        ]);
        session.Print("token", States, measurements);
        var before = ours.Statistics;
        var isEqual = Draw(peers, ours, mixed) == Draw(peers, stored, mixed);
        var after = ours.Statistics;
        session.Note($"mixed draws: {after.Predictions - before.Predictions} of {States} tried, {after.StoredPredictions - before.StoredPredictions} of them left to the stored weights, tokens {(isEqual ? "the same" : "NOT the same")}");
        return measurements[5].Median / measurements[4].Median;
    }

    private static DecodeOptions[] Mixed(bool inversion)
    {
        var plain = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = 0.8f, LogProbError = float.PositiveInfinity };
        return
        [
            plain, plain with { TopK = 40 }, plain with { TopP = 0.95f }, plain with { RepetitionPenalty = 1.1f }, plain with { LogProbError = 0.3f }, plain with { MinP = 0.05f },
            plain with { TopK = 40, TopP = 0.9f }, inversion ? new DecodeOptions { Temperature = 0.8f } : plain with { Temperature = 0 },
        ];
    }

    private static long Rank(DenseHeadPeers peers, DecodeSession session, DecodeOptions options)
    {
        var (sum, tokens, logProbs, results) = (0L, new int[Batch * Best], new float[Batch * Best], new TopKResult[Batch]);
        for (var first = 0; first < States; first += Batch)
        {
            session.TopK(peers.States.AsSpan(first * peers.Hidden.Size, Batch * peers.Hidden.Size), tokens, logProbs, results, options);
            foreach (var token in tokens) sum = (sum * 31) + token;
        }

        return sum;
    }

    // Sequences that begin anew, each with some tokens so far.
    private static long Draw(DenseHeadPeers peers, DecodeSession session, DecodeOptions[] options)
    {
        var (sum, results) = (0L, new DecodedToken[Batch]);
        DecodeSequence[] sequences = [.. options.Select((option, row) => new DecodeSequence(peers.Float32, option, (ulong)row))];
        foreach (var sequence in sequences) sequence.History.Add([262, 13, 290, 1000, 20_000]);
        for (var first = 0; first < States; first += Batch)
        {
            session.Sample(peers.States.AsSpan(first * peers.Hidden.Size, Batch * peers.Hidden.Size), sequences, results);
            foreach (var result in results) sum = (sum * 31) + result.Token;
        }

        return sum;
    }
}
