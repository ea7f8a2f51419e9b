using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Nucleus sampling at a temperature, a hidden state at a time.</summary>
internal sealed class SampleComparison : IComparison
{
    private const int States = 64;
    private const float Temperature = 0.8f;
    private const float TopP = 0.95f;

    private float[] _all = [];
    private SampleRandom _random = new(1);

    public string Name => "sample";

    public string Description => "Sampling with temperature 0.8 and top-p 0.95 at batch 1 on the trained sample model, exact: against computing all log-probs and sampling, here and in TorchSharp (as Hugging Face does, and from the best tokens alone).";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, States);
        using var torch = new TorchPeers(peers);
        using var decoding = peers.Adaptive.CreateSession();
        _all = new float[peers.Adaptive.Layout.VocabularySize];
        var options = new DecodeOptions { Temperature = Temperature, TopP = TopP };
        var trained = peers.TrainedLogProbs();
        using var trainedTensor = TorchPeers.Rows(trained, States);
        Check(peers, decoding, options, trained, trainedTensor);
        var visited = 0;
        for (var i = 0; i < States; i++) visited += decoding.Sample(peers.Hidden[i], options, ref _random).TailsVisited;
        session.Note($"{(double)visited / States:F2} of {peers.Adaptive.Layout.TailCount} tails visited a token");
        return session.Compare("token", States,
            new Contender("adaptive, only tails that can matter", () => peers.Hidden.Sum(state => decoding.Sample(state, options, ref _random).Token)),
            [
                new Contender("adaptive, all log-probs", () => Draw(peers, peers.Adaptive, trained)),
                new Contender("full softmax, all log-probs", () => Draw(peers, peers.Full, trained)),
                new Contender("TorchSharp, adaptive, all log-probs, best tokens", () => torch.Sum((hidden, _) => TorchSampling.TakeBest(torch.Adaptive.log_prob(hidden), Temperature, TopP))),
                new Contender("TorchSharp, full softmax, all log-probs, best tokens", () => torch.Sum((hidden, i) => Draw(torch, hidden, trainedTensor.narrow(0, i, 1), TorchSampling.TakeBest))),
                new Contender("TorchSharp, full softmax, all log-probs, as Hugging Face", () => torch.Sum((hidden, i) => Draw(torch, hidden, trainedTensor.narrow(0, i, 1), TorchSampling.SortAll))),
            ]);
    }

    private static Tensor Draw(TorchPeers torch, Tensor hidden, Tensor trained, Func<Tensor, float, float, Tensor> sample)
    {
        torch.FullLogProbs(hidden);
        return sample(trained, Temperature, TopP);
    }

    private void Check(DecodePeers peers, DecodeSession decoding, DecodeOptions options, float[] trained, Tensor trainedTensor)
    {
        for (var i = 0; i < States; i++)
        {
            var logProbs = trained.AsSpan(i * _all.Length, _all.Length);
            using var row = trainedTensor.narrow(0, i, 1);
            Check(logProbs, peers.Adaptive.SlotOf(decoding.Sample(peers.Hidden[i], options, ref _random).Token));
            Check(logProbs, TorchPeers.Run(() => TorchSampling.SortAll(row, Temperature, TopP).item<long>()));
            Check(logProbs, TorchPeers.Run(() => TorchSampling.TakeBest(row, Temperature, TopP).item<long>()));
        }

        static void Check(ReadOnlySpan<float> logProbs, long slot) => TorchSampling.CheckInNucleus(logProbs, slot, Temperature, TopP);
    }

    private long Draw(DecodePeers peers, SoftmaxDecoder softmax, float[] trained)
    {
        var sum = 0L;
        for (var i = 0; i < States; i++)
        {
            softmax.LogProb(peers.Hidden[i], _all);
            sum += AllLogProbs.Nucleus(trained.AsSpan(i * _all.Length, _all.Length), Temperature, TopP, ref _random);
        }

        return sum;
    }
}
