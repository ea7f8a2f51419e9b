using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What decoding visits by hidden states of production and a softmax that was trained for them.</summary>
public static class StatesVisits
{
    /// <summary>The states that are taken by default.</summary>
    public const int DefaultCount = 512;

    /// <summary>Runs states, spread over the file, through a softmax.</summary>
    /// <param name="states">The states.</param>
    /// <param name="softmax">The softmax, of any layout.</param>
    /// <param name="table">Its vocabulary in slot order.</param>
    /// <param name="planned">The vocabulary to plan, in slot order; tokens that the softmax lacks count as never chosen.</param>
    /// <param name="topK">How many of the best tokens are asked for.</param>
    /// <param name="count">The states to take, at most.</param>
    /// <param name="progress">Receives the states that are done.</param>
    /// <param name="cancellationToken">Stops between two states.</param>
    /// <exception cref="ArgumentException">States, softmax and tables do not fit each other, or the file has no state.</exception>
    /// <exception cref="DecodeException">A hidden vector or a weight is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static VisitSample Measure(StatesFile states, SoftmaxDecoder softmax, TokenTable table, TokenTable planned, int topK = 40, int count = DefaultCount, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(states);
        ArgumentNullException.ThrowIfNull(softmax);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(planned);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if (table.Count != softmax.Layout.VocabularySize) throw new ArgumentException(FormattableString.Invariant($"The table has {table.Count} tokens and the softmax {softmax.Layout.VocabularySize}; give the table of the softmax."), nameof(table));
        if (states.HiddenSize != softmax.Layout.HiddenSize) throw new ArgumentException(FormattableString.Invariant($"The states have {states.HiddenSize} values and the softmax the hidden size {softmax.Layout.HiddenSize}; give the states that go into it."), nameof(states));
        if (states.Count == 0) throw new ArgumentException("The file holds no state.", nameof(states));
        var slots = new Dictionary<int, int>(planned.Count);
        for (var slot = 0; slot < planned.Count; slot++) slots[planned.GetId(slot)] = slot;
        int[] places = [.. Enumerable.Range(0, table.Count).Select(slot => slots.GetValueOrDefault(table.GetId(slot), -1))];
        if (places.All(place => place < 0)) throw new ArgumentException("The softmax and the plan have no token in common.", nameof(planned));
        var sample = new VisitSample(planned.Count, topK);
        var (logProbs, ordered) = (new float[table.Count], new float[planned.Count]);
        var taken = (int)Math.Min(count, states.Count);
        for (var i = 0; i < taken; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var block in states.ReadBlocks(rows: 1, start: i * states.Count / taken, count: 1)) softmax.LogProb(block.Hidden, logProbs);
            // Beside the best token of the plan: where one that it leaves out is all but certain, float32 has none for the others.
            var best = float.NegativeInfinity;
            for (var slot = 0; slot < places.Length; slot++) best = places[slot] >= 0 ? MathF.Max(best, logProbs[slot]) : best;
            for (var slot = 0; slot < places.Length; slot++)
            {
                if (places[slot] >= 0) ordered[places[slot]] = MathF.Exp(logProbs[slot] - best);
            }

            sample.Add(ordered);
            progress?.Report(i + 1);
        }

        return sample;
    }
}
