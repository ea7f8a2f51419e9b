namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Greedy decoding against a full softmax in TorchSharp.</summary>
internal sealed class TorchDecodeComparison : IComparison
{
    private const int States = 64;

    public string Name => "torch-decode";

    public string Description => "Greedy decoding at batch 1 on the trained sample model: against TorchSharp's full product and argmax (linear, mv, or mm with a transposed weight: the fastest counts), same threads.";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, States);
        using var torch = new TorchPeers(peers);
        using var transposed = torch.FullWeight.t().contiguous();
        torch.CheckBest(torch.FullLogits, hidden => torch.FullLogits(hidden).argmax(1), i => peers.Full.Predict(peers.Hidden[i]));
        return session.Compare("token", States,
            new Contender("adaptive softmax", () => peers.Hidden.Sum(state => peers.Adaptive.Predict(state))),
            [
                new Contender("TorchSharp, linear and argmax", () => torch.Sum((hidden, _) => torch.FullLogits(hidden).argmax(1))),
                new Contender("TorchSharp, mv and argmax", () => torch.Sum((hidden, _) => torch.FullWeight.mv(hidden.squeeze(0)).argmax())),
                new Contender("TorchSharp, mm with a transposed weight and argmax", () => torch.Sum((hidden, _) => hidden.mm(transposed).argmax(1))),
            ]);
    }
}
