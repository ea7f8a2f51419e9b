using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Greedy decoding against PyTorch's own algorithm for the adaptive softmax, on the same weights.</summary>
internal sealed class TorchDecodeAdaptiveComparison : IComparison
{
    private const int States = 256;

    public string Name => "torch-decode-adaptive";

    public string Description => "Greedy decoding at batch 1 on the trained sample model: against PyTorch's predict algorithm in TorchSharp operations on the same weights (linear or mv: the fastest counts), same threads.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, States);
        using var torch = new TorchPeers(peers);
        var linear = new TorchPredict(torch.Adaptive, (weight, hidden) => nn.functional.linear(hidden, weight));
        var vectors = new TorchPredict(torch.Adaptive, (weight, hidden) => weight.mv(hidden.squeeze(0)).unsqueeze(0));
        foreach (var predict in new[] { linear.Predict, vectors.Predict, torch.Adaptive.predict })
            torch.CheckBest(torch.Adaptive.log_prob, predict, i => peers.Adaptive.SlotOf(peers.Adaptive.Predict(peers.Hidden[i])));
        var shortlist = torch.Adaptive.shortlist_size;
        var computed = torch.Sum((hidden, _) => torch.Adaptive.head.forward(hidden).argmax(1).ge(shortlist).to(ScalarType.Int64));
        session.Note($"In {computed} of {States} states the head prefers a cluster: PyTorch computes every tail there");

        var measurements = session.Measure(
        [
            new Contender("adaptive softmax", () => peers.Hidden.Sum(state => peers.Adaptive.Predict(state))),
            new Contender("PyTorch's predict in TorchSharp, linear", () => torch.Sum((hidden, _) => linear.Predict(hidden))),
            new Contender("PyTorch's predict in TorchSharp, mv", () => torch.Sum((hidden, _) => vectors.Predict(hidden))),
            new Contender("AdaptiveSoftmax.TorchSharp's predict (does not count)", () => torch.Sum((hidden, _) => torch.Adaptive.predict(hidden))),
        ]);
        session.Print("token", States, measurements);
        return Math.Min(measurements[1].Median, measurements[2].Median) / measurements[0].Median;
    }
}
