using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// What is done without a migration: rows that have a place in the new layout are copied, and all others start at random. A tail
/// whose members changed has a projection of its own that knows none of them.
/// </summary>
internal static class RandomRows
{
    /// <summary>The perplexity of states, whose targets are token ids.</summary>
    public static double Perplexity(string weights, SoftmaxDefinition from, SoftmaxDefinition to, string statesFile)
    {
        using var source = DynamicAdaptiveSoftmax.Load(weights, from.Layout);
        using var target = new DynamicAdaptiveSoftmax(to.Layout, seed: 1);
        var map = TokenMap.Create(from, to);
        for (var slot = 0; slot < to.Layout.ShortlistSize; slot++)
        {
            if (map.Sources[slot] is var old and >= 0 && from.Layout.ClusterOf(old) == 0) source.Parameters[0].Row(old).CopyTo(target.Parameters[0].WritableRow(slot));
        }

        for (var tail = 0; tail < Math.Min(from.Layout.TailCount, to.Layout.TailCount); tail++)
        {
            source.Parameters[0].Row(from.Layout.ShortlistSize + tail).CopyTo(target.Parameters[0].WritableRow(to.Layout.ShortlistSize + tail));
            if (from.Layout.Tails[tail].ProjectionWidth != to.Layout.Tails[tail].ProjectionWidth) continue;
            var (projection, output) = (1 + (2 * tail), 2 + (2 * tail));
            target.Parameters[projection].Set(source.Parameters[projection].Values);
            for (var row = 0; row < to.Layout.Tails[tail].Size; row++)
            {
                var old = map.Sources[to.Layout.Tails[tail].Start + row];
                if (old >= 0 && from.Layout.ClusterOf(old) == tail + 1) source.Parameters[output].Row(old - from.Layout.Tails[tail].Start).CopyTo(target.Parameters[output].WritableRow(row));
            }
        }

        var slots = new Dictionary<int, int>();
        for (var slot = 0; slot < to.Table.Count; slot++) slots.Add(to.Table.GetId(slot), slot);
        using var states = StatesFile.Open(statesFile);
        var loss = 0.0;
        foreach (var block in states.ReadBlocks())
            loss += (double)target.Loss(block.Hidden, [.. block.Targets.ToArray().Select(id => slots[id])]) * block.Count;
        return Math.Exp(loss / states.Count);
    }
}
