using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Hidden vectors that make decoding visit each tail as often as a plan expects.</summary>
internal sealed class DecodingStates
{
    // Together these make the best logit 17 and the others' deviation 1.7: the range of a trained model.
    private const double Lean = 30;
    private const double Noise = 60;

    // Clusters that are not to be visited stay below the best tokens, whatever the noise makes of them.
    private const double Aversion = 12;

    public DecodingStates(DynamicAdaptiveSoftmax layer, TokenDraws draws, SoftmaxCostModel model, double[] visits, int steps)
    {
        Use = model.Use;
        var layout = layer.Layout;
        var head = layer.Parameters[0];
        var states = new List<float[]>(steps);
        var count = steps * model.Batch;
        var tokens = draws.Draw(count, stream: 1000);
        // As many visits of each tail as are expected of so many tokens.
        var visitors = visits.Select((visit, tail) => TokenDraws.Shuffle(count, stream: 2000 + tail).Select(place => place < Math.Round(visit * count)).ToArray()).ToArray();
        for (var step = 0; step < steps; step++)
        {
            var hidden = new float[model.Batch * layout.HiddenSize];
            for (var row = 0; row < model.Batch; row++)
            {
                var token = (step * model.Batch) + row;
                var random = CountedRandom.Start(seed: 3, (ulong)token);
                var vector = hidden.AsSpan(row * layout.HiddenSize, layout.HiddenSize);
                for (var i = 0; i < vector.Length; i++)
                    vector[i] = (float)(((2 * CountedRandom.Unit(random, (ulong)i)) - 1) * Math.Sqrt(3) * Noise / Math.Sqrt(vector.Length));
                var visited = Enumerable.Range(0, visits.Length).Where(tail => visitors[tail][token]).Select(tail => layout.ShortlistSize + tail).ToArray();
                // The best k come from head and tails alike; one token comes from a single cluster.
                var leans = model.Use == SoftmaxUse.TopK ? [tokens[token] % layout.ShortlistSize, .. visited] : visited.Length > 0 ? visited[^1..] : [tokens[token] % layout.ShortlistSize];
                foreach (var lean in leans) Add(vector, head.Row(lean), Lean);
                foreach (var tail in Enumerable.Range(layout.ShortlistSize, layout.TailCount).Except(leans)) Add(vector, head.Row(tail), -Aversion);
            }

            states.Add(hidden);
        }

        Steps = states;
    }

    /// <summary>What they are decoded for.</summary>
    public SoftmaxUse Use { get; }

    /// <summary>The hidden vectors of each step, [batch, hidden].</summary>
    public IReadOnlyList<float[]> Steps { get; }

    private static void Add(Span<float> vector, ReadOnlySpan<float> row, double lean)
    {
        var norm = 0.0;
        foreach (var value in row) norm += (double)value * value;
        for (var i = 0; i < vector.Length; i++) vector[i] += (float)(row[i] * lean / Math.Sqrt(norm));
    }
}
