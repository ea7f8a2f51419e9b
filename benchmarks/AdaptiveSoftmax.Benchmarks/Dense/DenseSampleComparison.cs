using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A draw from a dense head at temperature 0.8, at batch 1. The figure is libtorch's float32 over ours.</summary>
internal sealed class DenseSampleComparison : IComparison
{
    private const int States = 32;
    private const float Temperature = 0.8f;

    public string Name => "dense-sample";

    public string Description => "A draw at temperature 0.8 from a dense head of 200,019 x 512, over hidden states of the trained sample model: certified Gumbel draws against libtorch's linear, softmax and multinomial in float32 and bfloat16, and against our own draws over all logits.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DenseHeadPeers(session, States);
        using var half = peers.Float32.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16 });
        using var certified = peers.Float32.Certify();
        using var certifiedHalf = half.Certify();
        var inversion = new DecodeOptions { Temperature = Temperature };
        var gumbel = inversion with { Sampler = SamplerKind.Gumbel };
        var bounded = gumbel with { LogProbError = float.PositiveInfinity };
        using var ours = certified.CreateSession();
        using var oursHalf = certifiedHalf.CreateSession();
        using var stored = peers.Float32.CreateSession();
        using var storedHalf = half.CreateSession();
        var same = Tokens(peers, ours, bounded, 7).Zip(Tokens(peers, stored, gumbel, 7)).Count(pair => pair.First == pair.Second);
        session.Note($"{same} of {States} tokens are those of the same draws over all float32 logits");
        Contender Draws(string name, DecodeSession decoder, DecodeOptions options, TokenHistory? history = null) => new(name, () => Tokens(peers, decoder, options, 3, history).Sum(token => (long)token));
        var history = peers.Float32.CreateHistory();
        foreach (var token in Tokens(peers, stored, gumbel, 1)) history.Add(token);
        var penalty = bounded with { RepetitionPenalty = 1.1f };
        var nucleus = bounded with { TopP = 0.95f };
        foreach (var (name, options) in (ReadOnlySpan<(string, DecodeOptions)>)[("top-p 0.95", nucleus), ("repetition penalty 1.1", penalty), ("both", penalty with { TopP = 0.95f })])
        {
            var start = certified.Statistics;
            same = Tokens(peers, ours, options, 7, history).Zip(Tokens(peers, stored, options with { LogProbError = 0 }, 7, history)).Count(pair => pair.First == pair.Second);
            var end = certified.Statistics;
            session.Note($"{name}: {same} of {States} tokens are those of all float32 logits, {end.StoredMassPredictions - start.StoredMassPredictions} of {end.MassPredictions - start.MassPredictions} that bounds were tried on left to the stored weights, {(end.RescoredRows - start.RescoredRows) / States} rows a draw read as they are stored");
        }

        var before = certified.Statistics;
        var measurements = session.Measure([
            Draws("certified float32, no log-prob", ours, bounded),
            Draws("certified float32, log-prob within 0.05", ours, gumbel with { LogProbError = 0.05f }),
            Draws("certified float32, top-k 40, no log-prob", ours, bounded with { TopK = 40 }),
            Draws("certified float32, top-p 0.95, no log-prob", ours, nucleus),
            Draws("certified float32, repetition penalty 1.1, no log-prob", ours, penalty, history),
            Draws("certified bfloat16, no log-prob", oursHalf, bounded),
            Draws("certified bfloat16, top-p 0.95, no log-prob", oursHalf, nucleus),
            Draws("our float32, Gumbel", stored, gumbel),
            Draws("our float32, inversion", stored, inversion),
            Draws("our float32, Gumbel, top-p 0.95", stored, gumbel with { TopP = 0.95f }),
            Draws("our bfloat16, Gumbel", storedHalf, gumbel),
            Draws("our bfloat16, Gumbel, top-p 0.95", storedHalf, gumbel with { TopP = 0.95f }),
            new("libtorch float32, linear, softmax and multinomial", () => peers.TorchSample(Temperature)),
            new("libtorch bfloat16, linear, softmax and multinomial", () => peers.TorchSampleHalf(Temperature)),
        ]);
        session.Print("token", States, measurements);
        var after = certified.Statistics;
        session.Note($"{after.StoredPredictions - before.StoredPredictions} of {after.Predictions - before.Predictions} certified draws left to the stored weights");
        return measurements[^2].Median / measurements[0].Median;
    }

    private static int[] Tokens(DenseHeadPeers peers, DecodeSession session, DecodeOptions options, ulong seed, TokenHistory? history = null)
    {
        var random = new SampleRandom(seed);
        var tokens = new int[States];
        for (var i = 0; i < States; i++) tokens[i] = session.Sample(peers.Hidden[i], options, ref random, history).Token;
        return tokens;
    }
}
