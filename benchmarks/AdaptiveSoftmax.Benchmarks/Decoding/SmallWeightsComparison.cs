using System.Numerics;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// Greedy decoding at batch 1 with small weights: on the trained sample model, whose head fits caches, and on a head that
/// does not. The figure is the first one's.
/// </summary>
/// <param name="name">The name on the command line.</param>
/// <param name="weights">What the weights are, for the table and the description.</param>
/// <param name="create">Makes the decoder from a float32 layer.</param>
internal sealed class SmallWeightsComparison(string name, string weights, Func<AdaptiveSoftmaxLayer, SoftmaxDecoder> create) : IComparison
{
    private const int States = 64;
    private const int LargeHeadStates = 16;

    private float[] _all = [];

    public string Name => name;

    public string Description => $"Greedy decoding at batch 1 with {weights} weights on the trained sample model: against computing all log-probs and the argmax in float32, here and in TorchSharp.";

    public double Run(ComparisonSession session)
    {
        double ratio;
        using (var peers = new DecodePeers(session, States))
        using (var torch = new TorchPeers(peers))
        {
            var states = new List<float[]>();
            for (var i = 0; i < States; i++) states.Add(peers.Hidden[i].ToArray());
            torch.CheckBest(torch.Adaptive.log_prob, hidden => torch.Adaptive.log_prob(hidden).argmax(1), i => peers.Adaptive.SlotOf(peers.Adaptive.Predict(peers.Hidden[i])));
            ratio = Compare(
                session,
                peers.Adaptive,
                states,
                [
                    new("full softmax float32, all log-probs and argmax", () => states.Sum(state => (long)Best(peers.Full, state))),
                    new("TorchSharp, adaptive, all log-probs and argmax", () => torch.Sum((hidden, _) => torch.Adaptive.log_prob(hidden).argmax(1))),
                    new("TorchSharp, full softmax, all log-probs and argmax", () => torch.Sum((hidden, _) => torch.FullLogProbs(hidden).argmax(1))),
                ]);
        }

        using var large = new LargeHead();
        session.Note($"A head of {large.Softmax.Layout.HeadRows:N0} x {large.Softmax.Layout.HiddenSize}, which caches do not hold; random weights, hidden vectors that lean towards one row");
        Compare(session, large.Softmax, large.CreateStates(LargeHeadStates), []);
        return ratio;
    }

    private double Compare(ComparisonSession session, AdaptiveSoftmaxLayer adaptive, List<float[]> states, IReadOnlyList<Contender> others)
    {
        using var small = create(adaptive);
        _all = new float[adaptive.Layout.VocabularySize];
        var same = states.Count(state => small.Predict(state) == adaptive.Predict(state));
        session.Note($"{same} of {states.Count} tokens are those of float32");
        Contender[] peers = [new("adaptive float32, all log-probs and argmax", () => states.Sum(state => (long)Best(adaptive, state))), .. others];
        var measurements = session.Measure([
            new Contender($"adaptive {weights}", () => states.Sum(state => (long)small.Predict(state))),
            .. peers,
            new Contender("adaptive float32, as Predict decodes", () => states.Sum(state => (long)adaptive.Predict(state))),
        ]);
        session.Print("token", states.Count, measurements);
        if (small is CertifiedSoftmax { Statistics: var statistics })
        {
            session.Note($"{(double)statistics.RescoredRows / statistics.Predictions:F1} rows a token read in float32, {100 * statistics.RescoredShare:F2} % of those screened");
            session.Note($"{100.0 * statistics.StoredTails / statistics.Predictions:F1} tails and {100.0 * statistics.StoredPredictions / statistics.Predictions:F1} whole predictions a hundred tokens left to float32");
        }

        return measurements.Skip(1).Take(peers.Length).Min(peer => peer.Median) / measurements[0].Median;
    }

    private int Best(SoftmaxDecoder softmax, ReadOnlySpan<float> state)
    {
        softmax.LogProb(state, _all);
        var best = new Vector<float>(float.NegativeInfinity);
        var i = 0;
        for (; i <= _all.Length - Vector<float>.Count; i += Vector<float>.Count) best = Vector.Max(best, new Vector<float>(_all, i));
        var largest = float.NegativeInfinity;
        for (var lane = 0; lane < Vector<float>.Count; lane++) largest = MathF.Max(largest, best[lane]);
        for (; i < _all.Length; i++) largest = MathF.Max(largest, _all[i]);
        return Array.IndexOf(_all, largest);
    }
}
