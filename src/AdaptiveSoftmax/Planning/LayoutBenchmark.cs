using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Runs a layout for real, so that what a plan predicts can be held against it.</summary>
public static class LayoutBenchmark
{
    // Of rare tails a pass must have as many visits as are expected, or they would cost too much or nothing.
    private const int TokensOfDecoding = 1024;
    private const int TokensOfTraining = 2048;
    private const int TokensOfFullDecoding = 64;
    private const int FewestPasses = 3;

    // Time is what is short where many plans are measured, and a step of a full softmax takes a second.
    private static readonly TimeSpan s_least = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Measures a step, with AdamW in training. Targets are drawn by the shares that a plan expects of their counts. In decoding
    /// the weights are random, and hidden vectors lean towards the clusters that the plan expects to be visited, as often as it
    /// does: times are measured, visits are not.
    /// </summary>
    /// <param name="layout">The layout.</param>
    /// <param name="counts">How often each slot's token occurs, [vocabulary].</param>
    /// <param name="model">What a step does, and how many tokens it has.</param>
    /// <param name="threads">The threads, the caller's included, at least 1; null for all processors.</param>
    /// <param name="visits">What decoding visits; null to estimate it from the counts.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    /// <returns>The nanoseconds of a step.</returns>
    /// <exception cref="ArgumentException">There is not one count for each token, or all are 0.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static double Measure(SoftmaxLayout layout, ReadOnlySpan<long> counts, SoftmaxCostModel model, int? threads = null, VisitSample? visits = null, CancellationToken cancellationToken = default) =>
        Measure(layout, counts, model, threads, s_least, cancellationToken, visits);

    internal static double Measure(SoftmaxLayout layout, ReadOnlySpan<long> counts, SoftmaxCostModel model, int? threads, TimeSpan least, CancellationToken cancellationToken, VisitSample? visits = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(model);
        if (counts.Length != layout.VocabularySize) throw new ArgumentException(FormattableString.Invariant($"There are {counts.Length} counts for {layout.VocabularySize} tokens; give one each."), nameof(counts));
        if (!counts.ContainsAnyExcept(0)) throw new ArgumentException("All counts are 0, so no token can be drawn.", nameof(counts));
        var options = new AdaptiveSoftmaxOptions { Threads = ThreadCount.OrDefault(threads, nameof(threads)) };
        var shares = TokenShares.Create(counts);
        var draws = new TokenDraws([.. Enumerable.Range(0, counts.Length).Select(slot => shares.Between(slot, slot + 1))]);
        var watch = new StepWatch(cancellationToken);
        using var workers = WorkerPool.Get(options.Threads).KeepWorkers();
        using var layer = new DynamicAdaptiveSoftmax(layout, seed: 1, options);
        if (model.Use == SoftmaxUse.Training) return Train(layer, draws, model, options.Threads, watch, least);
        // Without tails one token costs what the next one does, and a large batch of a full softmax a second.
        var steps = layout.TailCount == 0 ? Math.Max(1, TokensOfFullDecoding / model.Batch) : Math.Max(8, TokensOfDecoding / model.Batch);
        var parts = model.For(counts).Parts.Select(part => new DecodingStates(layer, draws, part, VisitsOf(part), steps)).ToArray();
        return Decode(layer, parts, model, watch, least);

        double[] VisitsOf(SoftmaxCostModel part) => [.. layout.Tails.Select(tail => visits?.VisitProbability(part.Use, tail.Start, tail.Start + tail.Size) ?? part.VisitProbability(shares.Between(tail.Start, tail.Start + tail.Size)))];
    }

    private static double Train(DynamicAdaptiveSoftmax layer, TokenDraws draws, SoftmaxCostModel model, int threads, StepWatch watch, TimeSpan least)
    {
        using var optimizer = new AdamW { Threads = threads };
        var hidden = ProbeData.Hidden(model.Batch, layer.Layout.HiddenSize);
        var gradient = new float[hidden.Length];
        // One step's targets are like the next one's where the batch is large, and a full softmax does not care.
        var steps = layer.Layout.TailCount == 0 ? 1 : Math.Max(8, TokensOfTraining / model.Batch);
        var batches = draws.Draw(steps * model.Batch, stream: 0).Chunk(model.Batch).ToArray();
        return watch.Measure(
            () =>
            {
                foreach (var targets in batches)
                {
                    layer.Backward(hidden, targets, gradient);
                    optimizer.Step(layer);
                }
            },
            least: least,
            fewest: FewestPasses) / batches.Length;
    }

    private static double Decode(DynamicAdaptiveSoftmax layer, DecodingStates[] parts, SoftmaxCostModel model, StepWatch watch, TimeSpan least)
    {
        using var session = layer.CreateSession();
        var (batch, k) = (model.Batch, model.TopK);
        var (found, logProbs, results) = (new int[batch * k], new float[batch * k], new TopKResult[batch]);
        var sequences = Enumerable.Range(0, batch).Select(row => new DecodeSequence(layer, seed: (ulong)row)).ToArray();
        var (best, drawn) = (new int[batch], new DecodedToken[batch]);
        void Greedy(float[] hidden)
        {
            if (batch == 1) layer.Predict(hidden);
            else layer.Predict(hidden, best);
        }

        void TopK(float[] hidden)
        {
            if (batch == 1) session.TopK(hidden, found, logProbs);
            else session.TopK(hidden, found, logProbs, results);
        }

        void Sample(float[] hidden)
        {
            if (batch == 1) session.Sample(hidden, sequences[0]);
            else session.Sample(hidden, sequences, drawn);
        }

        return watch.Measure(
            () =>
            {
                for (var step = 0; step < parts[0].Steps.Count; step++)
                {
                    foreach (var part in parts)
                    {
                        var hidden = part.Steps[step];
                        if (part.Use == SoftmaxUse.TopK) TopK(hidden);
                        else if (part.Use == SoftmaxUse.Sampling) Sample(hidden);
                        else Greedy(hidden);
                    }
                }
            },
            least: least,
            fewest: FewestPasses) / (parts.Length * parts[0].Steps.Count);
    }
}
