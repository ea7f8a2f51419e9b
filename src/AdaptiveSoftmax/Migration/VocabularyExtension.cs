using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>A vocabulary with tokens of a domain behind all others, as one more tail.</summary>
internal static class VocabularyExtension
{
    public static SoftmaxDefinition Extend(SoftmaxDefinition from, TokenTable domain, int projectionWidth, string tableFile, out double share)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(domain);
        ArgumentException.ThrowIfNullOrEmpty(tableFile);
        ArgumentOutOfRangeException.ThrowIfLessThan(projectionWidth, 1);
        var table = from.Table;
        var known = new HashSet<ReadOnlyMemory<byte>>(TokenBytes.Comparer);
        for (var slot = 0; slot < table.Count; slot++) known.Add(table.GetToken(slot).ToArray());
        var added = Enumerable.Range(0, domain.Count).Where(slot => !known.Contains(domain.GetToken(slot).ToArray())).ToArray();
        if (added.Length == 0) throw new ArgumentException("All tokens of the domain are in the vocabulary already, so there is nothing to extend it by.", nameof(domain));
        var ids = ChooseIds(table, domain, added);

        // Slots are ranks: behind the last token stands what was counted less, or as often with a greater id.
        var least = table.GetCount(table.Count - 1);
        var mostCounted = least > 0 ? least - 1 : 0;
        if (least == 0 && ids.Min() <= LargestIdOf(table, count: 0))
            throw new ArgumentException("The vocabulary has tokens that were never counted, and the domain's ids are not all greater than theirs; give the domain's tokens ids behind all others.", nameof(domain));
        var (allIds, counts, tokens) = (new List<int>(), new List<long>(), new List<byte[]>());
        for (var slot = 0; slot < table.Count; slot++) Add(table.GetId(slot), table.GetCount(slot), table.GetToken(slot));
        for (var i = 0; i < added.Length; i++) Add(ids[i], Math.Min(mostCounted, domain.GetCount(added[i])), domain.GetToken(added[i]));
        var extended = TokenTable.Create([.. allIds], [.. counts], tokens, table.Ids[..table.KeptCount], table.PinnedCount);

        double old = 0, fresh = 0;
        foreach (var count in table.Counts) old += count;
        foreach (var slot in added) fresh += domain.GetCount(slot);
        share = Math.Clamp(old + fresh > 0 ? fresh / (old + fresh) : (double)added.Length / extended.Count, 1e-6, 0.999);
        var spec = from.Spec with
        {
            TableFile = tableFile,
            InlineTable = null,
            IsFull = false,
            Cutoffs = new EquatableArray<int>([.. from.Layout.Tails.Select(tail => tail.Start), table.Count]),
            Projections = new EquatableArray<int>([.. from.Layout.Tails.Select(tail => tail.ProjectionWidth), projectionWidth]),
            TailPrecisions = from.Spec.TailPrecisions.Count == 0 ? from.Spec.TailPrecisions : new EquatableArray<WeightPrecision>([.. from.Spec.TailPrecisions, from.Spec.TailPrecisions[^1]]),
        };
        return new SoftmaxDefinition(spec, extended, spec.CreateLayout(extended.Count));

        void Add(int id, long count, ReadOnlySpan<byte> token)
        {
            allIds.Add(id);
            counts.Add(count);
            tokens.Add(token.ToArray());
        }
    }

    // The domain's own ids where none is taken; else, for words that somebody counted, the next free ones in the domain's order.
    private static int[] ChooseIds(TokenTable table, TokenTable domain, int[] added)
    {
        var taken = table.Ids.ToArray().ToHashSet();
        var own = added.Select(domain.GetId).ToArray();
        if (!own.Any(taken.Contains)) return own;
        var next = taken.Max() + 1L;
        if (next + added.Length > int.MaxValue) throw new ArgumentException("There are no free ids behind those of the vocabulary; give the domain's tokens ids of their own.", nameof(domain));
        return [.. added.Select((_, i) => (int)(next + i))];
    }

    private static int LargestIdOf(TokenTable table, long count)
    {
        var largest = -1;
        for (var slot = table.Count - 1; slot >= 0 && table.GetCount(slot) == count; slot--) largest = Math.Max(largest, table.GetId(slot));
        return largest;
    }
}
