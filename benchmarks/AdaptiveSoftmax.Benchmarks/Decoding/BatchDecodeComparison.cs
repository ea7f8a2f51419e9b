using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Nucleus sampling for 64 sequences in one call.</summary>
internal sealed class BatchDecodeComparison : IComparison
{
    private const int Rows = 64;
    private const float Temperature = 0.8f;
    private const float TopP = 0.95f;

    private float[] _all = [];
    private SampleRandom _random = new(1);

    public string Name => "batch-decode";

    public string Description => "Sampling with temperature 0.8 and top-p 0.95 for a batch of 64 on the trained sample model, exact: against computing all log-probs and sampling, here and in TorchSharp.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, Rows);
        using var torch = new TorchPeers(peers);
        using var decoding = peers.Adaptive.CreateSession();
        _all = new float[Rows * peers.Adaptive.Layout.VocabularySize];
        var hidden = new float[Rows * peers.Hidden.Size];
        for (var row = 0; row < Rows; row++) peers.Hidden[row].CopyTo(hidden.AsSpan(row * peers.Hidden.Size));
        var trained = peers.TrainedLogProbs();
        using var trainedTensor = TorchPeers.Rows(trained, Rows);
        var options = new DecodeOptions { Temperature = Temperature, TopP = TopP };
        var sequences = Enumerable.Range(0, Rows).Select(row => new DecodeSequence(peers.Adaptive, options, (ulong)row)).ToArray();
        var results = new DecodedToken[Rows];
        return session.Compare("token", Rows,
            new Contender("adaptive batch, only tails that can matter", () => Ours(decoding, hidden, sequences, results)),
            [
                new Contender("adaptive one by one, only tails that can matter", () => peers.Hidden.Sum(state => decoding.Sample(state, options, ref _random).Token)),
                new Contender("adaptive batch, all log-probs", () => Theirs(peers.Adaptive, hidden, trained)),
                new Contender("full softmax batch, all log-probs", () => Theirs(peers.Full, hidden, trained)),
                new Contender("TorchSharp, adaptive batch, all log-probs", () => TorchPeers.Run(() => Draw(torch.Adaptive.log_prob(torch.Batch)))),
                new Contender("TorchSharp, full softmax batch, all log-probs", () => TorchPeers.Run(() =>
                {
                    torch.FullLogProbs(torch.Batch);
                    return Draw(trainedTensor);
                })),
            ]);
    }

    private static long Ours(DecodeSession decoding, float[] hidden, DecodeSequence[] sequences, DecodedToken[] results)
    {
        decoding.Sample(hidden, sequences, results);
        return results.Sum(result => (long)result.Token);
    }

    private static long Draw(Tensor logProbs) => TorchSampling.TakeBest(logProbs, Temperature, TopP).sum().item<long>();

    private long Theirs(SoftmaxDecoder softmax, float[] hidden, float[] trained)
    {
        softmax.LogProb(hidden, _all);
        var (size, sum) = (softmax.Layout.VocabularySize, 0L);
        for (var row = 0; row < Rows; row++) sum += AllLogProbs.Nucleus(trained.AsSpan(row * size, size), Temperature, TopP, ref _random);
        return sum;
    }
}
