namespace LanguageModelSample;

/// <summary>Perplexity and accuracy of a model over held-out text, as a whole and by how frequent the targets are.</summary>
internal sealed class StudyJudge
{
    private const int Deciles = 10;
    private const int BlockSize = 256;

    private readonly int[] _decileOf;
    private readonly int[] _clusterOf;

    /// <param name="counts">How often each token was seen, in slot order.</param>
    /// <param name="cutoffs">The first slots of the tails.</param>
    public StudyJudge(long[] counts, IReadOnlyList<int> cutoffs)
    {
        var (before, total) = (0L, Math.Max(1, counts.Sum()));
        _decileOf = new int[counts.Length];
        _clusterOf = new int[counts.Length];
        for (var slot = 0; slot < counts.Length; slot++)
        {
            // A token belongs to the tenth in which its middle occurrence stands.
            _decileOf[slot] = (int)Math.Min(Deciles - 1, (before + (counts[slot] / 2)) * Deciles / total);
            _clusterOf[slot] = cutoffs.Count(cutoff => slot >= cutoff);
            before += counts[slot];
        }
    }

    /// <summary>What a model does with tokens spread over a text.</summary>
    public Verdict Judge(Model model, int[] text, int tokens, CancellationToken cancellation)
    {
        var deciles = new Mean[Deciles];
        var clusters = new Mean[_clusterOf.Max() + 1];
        var (all, hits, tailHits) = (default(Mean), default(Mean), default(Mean));
        foreach (var part in TextData.SpreadPositions(text, tokens).Chunk(BlockSize))
        {
            cancellation.ThrowIfCancellationRequested();
            var batch = new Batch(part.Length, model.Window);
            batch.Fill(text, part, model.EndOfText);
            var hidden = model.Forward(batch.Windows);
            var (logProbs, predictions) = (new float[part.Length], new int[part.Length]);
            model.Softmax.LogProbOf(hidden, batch.Targets, logProbs);
            model.Softmax.Predict(hidden, predictions);
            for (var i = 0; i < part.Length; i++)
            {
                var target = batch.Targets[i];
                var hit = predictions[i] == target ? 1 : 0;
                all.Add(-logProbs[i]);
                deciles[_decileOf[target]].Add(-logProbs[i]);
                clusters[_clusterOf[target]].Add(-logProbs[i]);
                hits.Add(hit);
                if (_clusterOf[target] > 0) tailHits.Add(hit);
            }
        }

        return new Verdict(Math.Exp(all.Value), [.. deciles.Select(mean => Math.Exp(mean.Value))], [.. clusters.Select(mean => Math.Exp(mean.Value))], hits.Value, tailHits.Value);
    }

    /// <summary>What a model did.</summary>
    internal sealed record Verdict(double Perplexity, IReadOnlyList<double> ByDecile, IReadOnlyList<double> ByCluster, double Accuracy, double TailAccuracy);

    private struct Mean
    {
        private double _sum;
        private int _count;

        /// <summary>NaN where nothing was added.</summary>
        public readonly double Value => _sum / _count;

        public void Add(double value)
        {
            _sum += value;
            _count++;
        }
    }
}
