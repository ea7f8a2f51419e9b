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
        var before = certified.Statistics;
        Contender Draws(string name, DecodeSession decoder, DecodeOptions options) => new(name, () => Tokens(peers, decoder, options, 3).Sum(token => (long)token));
        var measurements = session.Measure([
            Draws("certified float32, no log-prob", ours, bounded),
            Draws("certified float32, log-prob within 0.05", ours, gumbel with { LogProbError = 0.05f }),
            Draws("certified float32, top-k 40, no log-prob", ours, bounded with { TopK = 40 }),
            Draws("certified bfloat16, no log-prob", oursHalf, bounded),
            Draws("our float32, Gumbel", stored, gumbel),
            Draws("our float32, inversion", stored, inversion),
            Draws("our bfloat16, Gumbel", storedHalf, gumbel),
            new("libtorch float32, linear, softmax and multinomial", () => peers.TorchSample(Temperature)),
            new("libtorch bfloat16, linear, softmax and multinomial", () => peers.TorchSampleHalf(Temperature)),
        ]);
        session.Print("token", States, measurements);
        var after = certified.Statistics;
        session.Note($"{after.StoredPredictions - before.StoredPredictions} of {after.Predictions - before.Predictions} certified draws left to the stored weights");
        return measurements[7].Median / measurements[0].Median;
    }

    private static int[] Tokens(DenseHeadPeers peers, DecodeSession session, DecodeOptions options, ulong seed)
    {
        var random = new SampleRandom(seed);
        var tokens = new int[States];
        for (var i = 0; i < States; i++) tokens[i] = session.Sample(peers.Hidden[i], options, ref random).Token;
        return tokens;
    }
}
