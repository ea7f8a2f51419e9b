using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// A vocabulary: for each slot the token's bytes, its id and its count. Slots are ranks by descending count, ties by
/// ascending id, so slot 0 is the most frequent token; tokens that are pinned, and then those that an earlier plan placed, stand
/// before them in an order of their own.
/// Immutable; two tables are equal when they hold the same.
/// </summary>
public sealed class TokenTable : IEquatable<TokenTable>
{
    private readonly int[] _ids;
    private readonly long[] _counts;
    private readonly int[] _offsets;
    private readonly byte[] _bytes;

    /// <summary>Takes arrays that are known to be valid and in slot order.</summary>
    internal TokenTable(int[] ids, long[] counts, int[] offsets, byte[] bytes, int pinnedCount = 0, int keptCount = 0)
    {
        PinnedCount = pinnedCount;
        KeptCount = Math.Max(pinnedCount, keptCount);
        _ids = ids;
        _counts = counts;
        _offsets = offsets;
        _bytes = bytes;
        Fingerprint = Fingerprints.OfVocabulary(ids, offsets, bytes);
    }

    /// <summary>The number of tokens V.</summary>
    public int Count => _ids.Length;

    /// <summary>The tokens that stand in front whatever their counts, for example special ones; 0 where all are ranked.</summary>
    public int PinnedCount { get; }

    /// <summary>
    /// The first tokens whose order is not that of ranks: pinned ones, then those that stand where an earlier plan had them,
    /// which no plan has to keep in the head. At least <see cref="PinnedCount"/>.
    /// </summary>
    public int KeptCount { get; }

    /// <summary>The id of each slot, [V].</summary>
    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>The count of each slot, [V].</summary>
    public ReadOnlySpan<long> Counts => _counts;

    /// <summary>Where each slot's bytes start in <see cref="Bytes"/>, and last where they end, [V + 1].</summary>
    public ReadOnlySpan<int> Offsets => _offsets;

    /// <summary>The bytes of all tokens in slot order.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>
    /// 32 lower-case hexadecimal digits that stand for the ids and tokens in slot order. Counts are no part of it:
    /// they change nothing in a softmax beyond that order.
    /// </summary>
    public string Fingerprint { get; }

    /// <summary>
    /// The fingerprint of the same ids and tokens by ascending id, which does not hang on counts or on who stands in front: that of the
    /// tokenizer, as far as the table holds it.
    /// </summary>
    internal string FingerprintById()
    {
        var slots = new int[Count];
        for (var slot = 0; slot < slots.Length; slot++) slots[slot] = slot;
        int[] ids = [.. _ids];
        Array.Sort(ids, slots);
        var (offsets, bytes) = (new int[Count + 1], new byte[_bytes.Length]);
        for (var i = 0; i < slots.Length; i++)
        {
            var token = GetToken(slots[i]);
            token.CopyTo(bytes.AsSpan(offsets[i]));
            offsets[i + 1] = offsets[i] + token.Length;
        }

        return Fingerprints.OfVocabulary(ids, offsets, bytes);
    }

    /// <summary>The bytes of the token in a slot.</summary>
    /// <param name="slot">From 0 to V − 1.</param>
    /// <exception cref="IndexOutOfRangeException">There is no such slot.</exception>
    public ReadOnlySpan<byte> GetToken(int slot)
    {
        var start = _offsets[slot];
        return new ReadOnlySpan<byte>(_bytes, start, _offsets[slot + 1] - start);
    }

    /// <summary>The id of the token in a slot.</summary>
    /// <param name="slot">From 0 to V − 1.</param>
    /// <exception cref="IndexOutOfRangeException">There is no such slot.</exception>
    public int GetId(int slot) => _ids[slot];

    /// <summary>The count of the token in a slot.</summary>
    /// <param name="slot">From 0 to V − 1.</param>
    /// <exception cref="IndexOutOfRangeException">There is no such slot.</exception>
    public long GetCount(int slot) => _counts[slot];

    /// <summary>Makes a table of tokens in any order: sorts them by descending count, ties by ascending id.</summary>
    /// <param name="ids">The id of each token, distinct and not negative.</param>
    /// <param name="counts">The count of each token, not negative.</param>
    /// <param name="tokens">The bytes of each token, distinct. An empty one is allowed.</param>
    /// <exception cref="ArgumentException">The lengths differ, or a value is not as asked; the message says which.</exception>
    public static TokenTable Create(ReadOnlySpan<int> ids, ReadOnlySpan<long> counts, IReadOnlyList<byte[]> tokens) => Create(ids, counts, tokens, default);

    /// <summary>Makes a table of tokens in any order: pinned ones in front, then the others by descending count, ties by ascending id.</summary>
    /// <param name="ids">The id of each token, distinct and not negative.</param>
    /// <param name="counts">The count of each token, not negative.</param>
    /// <param name="tokens">The bytes of each token, distinct. An empty one is allowed.</param>
    /// <param name="pinned">The ids that stand in front, in their order, each once.</param>
    /// <exception cref="ArgumentException">The lengths differ, or a value is not as asked; the message says which.</exception>
    public static TokenTable Create(ReadOnlySpan<int> ids, ReadOnlySpan<long> counts, IReadOnlyList<byte[]> tokens, ReadOnlySpan<int> pinned) =>
        Create(ids, counts, tokens, pinned, pinned.Length);

    /// <summary>Makes a table of tokens in any order: those with a place of their own in front, then the others by descending count, ties by ascending id.</summary>
    /// <param name="ids">The id of each token, distinct and not negative.</param>
    /// <param name="counts">The count of each token, not negative.</param>
    /// <param name="tokens">The bytes of each token, distinct. An empty one is allowed.</param>
    /// <param name="kept">The ids that stand in front, in their order, each once.</param>
    /// <param name="pinnedCount">How many of the first of them are pinned; the others stand where an earlier plan had them.</param>
    /// <exception cref="ArgumentException">The lengths differ, or a value is not as asked; the message says which.</exception>
    public static TokenTable Create(ReadOnlySpan<int> ids, ReadOnlySpan<long> counts, IReadOnlyList<byte[]> tokens, ReadOnlySpan<int> kept, int pinnedCount)
    {
        if (tokens is null) throw new ArgumentNullException(nameof(tokens));
        if (counts.Length != ids.Length || tokens.Count != ids.Length)
            throw new ArgumentException(FormattableString.Invariant($"There are {ids.Length} ids, {counts.Length} counts and {tokens.Count} tokens; give one of each a token."), nameof(ids));
        if (pinnedCount < 0 || pinnedCount > kept.Length)
            throw new ArgumentException(FormattableString.Invariant($"{pinnedCount} tokens are pinned, and {kept.Length} stand in front; pin 0 to {kept.Length}."), nameof(pinnedCount));
        var order = RankOrder(ids, counts, kept);
        var sortedIds = new int[order.Length];
        var sortedCounts = new long[order.Length];
        var offsets = new int[order.Length + 1];
        var total = 0L;
        for (var slot = 0; slot < order.Length; slot++)
        {
            var source = order[slot];
            var token = tokens[source] ?? throw new ArgumentException(FormattableString.Invariant($"Token {source} is null."), nameof(tokens));
            if (ids[source] < 0)
                throw new ArgumentException(FormattableString.Invariant($"The id of token {source} is {ids[source]}; ids must not be negative."), nameof(ids));
            if (counts[source] < 0)
                throw new ArgumentException(FormattableString.Invariant($"The count of token {source} is {counts[source]}; counts must not be negative."), nameof(counts));
            sortedIds[slot] = ids[source];
            sortedCounts[slot] = counts[source];
            total += token.Length;
            if (total > int.MaxValue)
                throw new ArgumentException("The tokens hold more than 2^31 - 1 bytes in all; a table cannot.", nameof(tokens));
            offsets[slot + 1] = (int)total;
        }

        var bytes = new byte[total];
        for (var slot = 0; slot < order.Length; slot++) tokens[order[slot]].CopyTo(bytes, offsets[slot]);
        var repeatedIds = DuplicateFinder.FindIds(sortedIds, limit: 1);
        if (repeatedIds.Count > 0)
            throw new ArgumentException(FormattableString.Invariant($"The id {sortedIds[repeatedIds[0].Slot]} is given to two tokens; ids must be distinct."), nameof(ids));
        var repeatedTokens = DuplicateFinder.FindTokens(bytes, offsets, limit: 1);
        if (repeatedTokens.Count > 0)
        {
            var (slot, earlier) = repeatedTokens[0];
            throw new ArgumentException(FormattableString.Invariant($"The ids {sortedIds[earlier]} and {sortedIds[slot]} have the same bytes; tokens must be distinct."), nameof(tokens));
        }

        return new TokenTable(sortedIds, sortedCounts, offsets, bytes, pinnedCount, kept.Length);
    }

    /// <summary>Whether another table holds the same tokens, ids and counts.</summary>
    /// <param name="other">The other table.</param>
    public bool Equals(TokenTable? other)
    {
        if (ReferenceEquals(this, other)) return true;
        return other is not null && Count == other.Count && PinnedCount == other.PinnedCount && KeptCount == other.KeptCount
            && string.Equals(Fingerprint, other.Fingerprint, StringComparison.Ordinal)
            && Ids.SequenceEqual(other.Ids) && Counts.SequenceEqual(other.Counts)
            && Offsets.SequenceEqual(other.Offsets) && Bytes.SequenceEqual(other.Bytes);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as TokenTable);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Fingerprint);

    private static int[] RankOrder(ReadOnlySpan<int> ids, ReadOnlySpan<long> counts, ReadOnlySpan<int> kept)
    {
        var ranked = RankOrder(ids, counts);
        if (kept.IsEmpty) return ranked;
        var places = new Dictionary<int, int>(kept.Length);
        for (var place = 0; place < kept.Length; place++)
        {
            if (places.ContainsKey(kept[place])) throw new ArgumentException(FormattableString.Invariant($"The id {kept[place]} stands in front twice; give each once."), nameof(kept));
            places[kept[place]] = place;
        }

        var order = new int[ranked.Length];
        var found = 0;
        var next = kept.Length;
        foreach (var source in ranked)
        {
            if (places.TryGetValue(ids[source], out var place))
            {
                order[place] = source;
                found++;
            }
            else if (next < order.Length)
            {
                order[next++] = source;
            }
        }

        return found == kept.Length ? order : throw new ArgumentException("An id stands in front that no token has; give ids of the table.", nameof(kept));
    }

    private static int[] RankOrder(ReadOnlySpan<int> ids, ReadOnlySpan<long> counts)
    {
        var order = new int[ids.Length];
        var isSorted = true;
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
            isSorted &= i == 0 || IsInOrder(counts[i - 1], ids[i - 1], counts[i], ids[i]);
        }

        if (isSorted) return order;
        var keys = new RankKey[order.Length];
        for (var i = 0; i < keys.Length; i++) keys[i] = new RankKey(counts[i], ids[i]);
        Array.Sort(keys, order);
        return order;
    }

    /// <summary>The same tokens, or some of them, in another order, such as <see cref="KeptPlan.Order"/>.</summary>
    /// <param name="order">The slots to take, in their new order, each at most once.</param>
    /// <param name="pinnedCount">How many of the first are pinned, whatever their counts.</param>
    /// <exception cref="ArgumentException">A slot is taken twice, fewer than 2 are taken, or more are pinned than taken.</exception>
    /// <exception cref="IndexOutOfRangeException">There is no such slot.</exception>
    public TokenTable Reorder(IReadOnlyList<int> order, int pinnedCount)
    {
        if (order is null) throw new ArgumentNullException(nameof(order));

        // From where on the order is that of ranks, no token needs to be kept in its place.
        var ranked = order.Count - 1;
        while (ranked > pinnedCount && IsInOrder(GetCount(order[ranked - 1]), GetId(order[ranked - 1]), GetCount(order[ranked]), GetId(order[ranked]))) ranked--;
        int[] ids = [.. order.Select(GetId)];
        return Create(ids, [.. order.Select(GetCount)], [.. order.Select(slot => GetToken(slot).ToArray())], ids.AsSpan(0, Math.Max(pinnedCount, ranked)), pinnedCount);
    }

    /// <summary>Whether a token may stand directly before another: a greater count, or the same and a smaller id.</summary>
    internal static bool IsInOrder(long count, int id, long nextCount, int nextId) =>
        count > nextCount || (count == nextCount && id < nextId);

    [StructLayout(LayoutKind.Auto)]
    private readonly struct RankKey(long count, int id) : IComparable<RankKey>
    {
        private readonly long _count = count;
        private readonly int _id = id;

        public int CompareTo(RankKey other)
        {
            var byCount = other._count.CompareTo(_count);
            return byCount != 0 ? byCount : _id.CompareTo(other._id);
        }
    }
}
