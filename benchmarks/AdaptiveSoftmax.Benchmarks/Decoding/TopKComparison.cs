using static TorchSharp.torch;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The 40 most probable tokens with log-probs, a hidden state at a time.</summary>
internal sealed class TopKComparison : IComparison
{
    private const int States = 64;
    private const int K = 40;

    private readonly int[] _tokens = new int[K];
    private readonly float[] _values = new float[K];
    private float[] _all = [];

    public string Name => "topk";

    public string Description => "The 40 best tokens at batch 1 on the trained sample model, exact: against computing all log-probs and selecting, here and in TorchSharp (log_softmax and topk).";

    public double Run(ComparisonSession session)
    {
        using var peers = new DecodePeers(session, States);
        using var torch = new TorchPeers(peers);
        using var decoding = peers.Adaptive.CreateSession();
        _all = new float[peers.Adaptive.Layout.VocabularySize];
        Check(peers, torch, decoding, session);
        return session.Compare("token", States,
            new Contender("adaptive, only tails that can matter", () => peers.Hidden.Sum(state => TopK(decoding, state))),
            [
                new Contender("adaptive, all log-probs", () => peers.Hidden.Sum(state => Select(peers.Adaptive, state))),
                new Contender("full softmax, all log-probs", () => peers.Hidden.Sum(state => Select(peers.Full, state))),
                new Contender("TorchSharp, adaptive, all log-probs", () => torch.Sum((hidden, _) => BestOf(torch.Adaptive.log_prob(hidden)))),
                new Contender("TorchSharp, full softmax, all log-probs", () => torch.Sum((hidden, _) => BestOf(torch.FullLogProbs(hidden)))),
            ]);
    }

    private int TopK(DecodeSession decoding, ReadOnlySpan<float> state)
    {
        decoding.TopK(state, _tokens, _values);
        return _tokens[0];
    }

    private int Select(SoftmaxDecoder softmax, ReadOnlySpan<float> state)
    {
        softmax.LogProb(state, _all);
        AllLogProbs.TopK(_all, _tokens, _values);
        return _tokens[0];
    }

    private static Tensor BestOf(Tensor logProbs) => logProbs.topk(K).indexes[0, 0];

    private void Check(DecodePeers peers, TorchPeers torch, DecodeSession decoding, ComparisonSession session)
    {
        var (slots, visited) = (new float[K], 0);
        for (var i = 0; i < States; i++)
        {
            Select(peers.Adaptive, peers.Hidden[i]);
            _values.CopyTo(slots, 0);
            visited += decoding.TopK(peers.Hidden[i], _tokens, _values).TailsVisited;
            if (!slots.AsSpan().SequenceEqual(_values)) throw new InvalidOperationException("The two ways give different log-probs.");
            torch.CheckTopK(i, torch.Adaptive.log_prob, _values);
            Select(peers.Full, peers.Hidden[i]);
            torch.CheckTopK(i, torch.FullLogProbs, _values);
        }

        session.Note($"The same log-probs to the bit; {(double)visited / States:F2} of {peers.Adaptive.Layout.TailCount} tails visited a token");
    }
}
