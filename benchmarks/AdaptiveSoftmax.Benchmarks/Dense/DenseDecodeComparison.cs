using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The best token of a dense head, at batch 1 and 8. The figure is libtorch's float32 over ours at batch 1.</summary>
internal sealed class DenseDecodeComparison : IComparison
{
    private const int States = 32;

    public string Name => "dense-decode";

    public string Description => "The best token of a dense head of 200,019 x 512, over hidden states of the trained sample model: Certify() against libtorch's linear and argmax in float32 and bfloat16, and against our own products.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DenseHeadPeers(session, States);
        using var half = peers.Float32.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16 });
        using var int8 = peers.Float32.Quantize();
        using var int4 = peers.Float32.Quantize(new QuantizationOptions { Head = WeightPrecision.Int4 });
        using var certified = peers.Float32.Certify();
        using var certifiedHalf = half.Certify();
        using var byInt8 = peers.Float32.Certify(new CertifyOptions { Stages = ScreeningStages.Int8 });
        using var byInt4 = peers.Float32.Certify(new CertifyOptions { Stages = ScreeningStages.Int4 });
        var tokens = new int[States];
        var (exact, other) = (new int[States], new int[States]);
        peers.Predict(peers.Float32, 1, exact);
        foreach (var (name, softmax) in (ReadOnlySpan<(string, SoftmaxDecoder)>)[("certified", certified), ("certified, int8 alone", byInt8), ("certified, int4 alone", byInt4), ("bfloat16", half), ("certified bfloat16", certifiedHalf), ("int8", int8), ("int4", int4)])
        {
            peers.Predict(softmax, 1, other);
            session.Note($"{name}: {exact.Zip(other).Count(pair => pair.First == pair.Second)} of {States} tokens are those of float32");
        }

        using var centroids = new ClusteredHead(peers.Weight, size: 128, probes: 32, isSpherical: false, WeightPrecision.Int8);
        using var flash = new ClusteredHead(peers.Weight, size: 16, probes: 256, isSpherical: true, WeightPrecision.Int8);
        session.Note($"a centroid head finds {Recall(peers, centroids, exact)} of {States} tokens of float32, FlashHead's clusters {Recall(peers, flash, exact)}");
        var figure = 0.0;
        foreach (var batch in (int[])[1, 8])
        {
            Contender Ours(string name, SoftmaxDecoder softmax) => new(name, () => peers.Predict(softmax, batch, tokens));
            var before = certified.Statistics;
            var measurements = session.Measure([
                Ours("certified float32: int4, int8, stored", certified),
                Ours("certified bfloat16: int4, int8, stored", certifiedHalf),
                Ours("certified float32: int8, stored", byInt8),
                Ours("certified float32: int4, stored", byInt4),
                Ours("our float32", peers.Float32),
                Ours("our bfloat16", half),
                Ours("our int8 (not exact)", int8),
                Ours("our int4 (not exact)", int4),
                new("libtorch float32, linear and argmax", () => peers.Torch(batch)),
                new("libtorch bfloat16, linear and argmax (not exact)", () => peers.TorchHalf(batch)),
                new("centroid head, 32 clusters of 128, int8 (not exact)", () => peers.Hidden.Sum(centroids.Predict)),
                new("FlashHead's clusters, 256 of 16, int8 (not exact)", () => peers.Hidden.Sum(flash.Predict)),
            ]);
            session.Note($"Batch {batch}");
            session.Print("token", States, measurements);
            var after = certified.Statistics;
            var count = (double)Math.Max(1, after.Predictions - before.Predictions);
            session.Note($"{(after.Int4Rows - before.Int4Rows) / count:N0} rows a token in int4, {(after.Int8Rows - before.Int8Rows) / count:N0} in int8, {(after.RescoredRows - before.RescoredRows) / count:F1} as stored; {after.StoredPredictions - before.StoredPredictions} of {count:N0} tokens left to the stored weights");
            if (batch == 1) figure = measurements[8].Median / measurements[0].Median;
        }

        return figure;
    }

    private static int Recall(DenseHeadPeers peers, ClusteredHead head, int[] exact) =>
        Enumerable.Range(0, States).Count(i => head.Predict(peers.Hidden[i]) == exact[i]);
}
