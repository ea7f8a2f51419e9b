using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The frequencies that a vocabulary was planned for, to compare observed ones with: the counts of its token table. They
/// are taken as the truth, so the table should be counted over much more text than what is compared with it.
/// </summary>
public sealed class DriftBaseline
{
    private const int ShownTokens = 20;

    private readonly double _total;
    private readonly double _unseenShare;
    private readonly SlotRanges _clusters;
    private readonly SlotRanges _frequencies;
    private readonly (long Count, int Slots)[] _equalCounts;
    private readonly SlotIndex _slots;

    /// <summary>Takes a table's counts.</summary>
    /// <param name="table">The token table.</param>
    /// <param name="layout">The sizes of head and tails.</param>
    /// <exception cref="ArgumentException">The table has not the layout's size, or all its counts are 0.</exception>
    public DriftBaseline(TokenTable table, SoftmaxLayout layout)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(layout);
        if (table.Count != layout.VocabularySize)
            throw new ArgumentException(FormattableString.Invariant($"The table has {table.Count} tokens, and the layout {layout.VocabularySize}; give the table that the class was built from."), nameof(table));
        (Table, Layout) = (table, layout);
        var counts = table.Counts;
        foreach (var count in counts) _total += count;
        if (_total == 0)
            throw new ArgumentException("All counts of the table are 0, so nothing is expected of any token; count a corpus with `adaptive-softmax count`.", nameof(table));
        _equalCounts = GroupEqualCounts(counts);
        // Tokens that the counted text does not have occur all the same, about as often as those that it has once (Good and Turing).
        _unseenShare = _equalCounts[^1] is (1, var once) ? Math.Min(once / _total, 0.5) : 0;
        _clusters = new SlotRanges([layout.ShortlistSize, .. layout.Tails.Select(tail => tail.Start + tail.Size)], counts, _total, _unseenShare);
        _frequencies = new SlotRanges(SlotRanges.EndsOfTenths(counts), counts, _total, _unseenShare);
        _slots = new SlotIndex(table);
    }

    /// <summary>The token table.</summary>
    public TokenTable Table { get; }

    /// <summary>The sizes of head and tails.</summary>
    public SoftmaxLayout Layout { get; }

    /// <summary>The bytes that are held beside the table.</summary>
    internal long Bytes => _slots.Bytes + (16L * _equalCounts.Length);

    /// <summary>Reads the token table of a class.</summary>
    /// <param name="path">The table, by convention <c>*.tokens</c>.</param>
    /// <param name="identity">The class's identity, <see cref="SoftmaxDecoder.Identity"/>.</param>
    /// <exception cref="ArgumentException">The table is of another vocabulary than the class, or all its counts are 0.</exception>
    /// <exception cref="InvalidDataException">The file is no token table.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DriftBaseline FromTable(string path, SoftmaxIdentity identity)
    {
        ArgumentNullException.ThrowIfNull(identity);
        var read = TokenTableReader.Read(path, RegularFile.ReadText(path));
        var table = read.Table ?? throw new InvalidDataException(read.Errors[0].ToString());
        if (identity.VocabularyFingerprint.Length > 0 && table.Fingerprint != identity.VocabularyFingerprint)
            throw new ArgumentException($"'{path}' has the fingerprint {table.Fingerprint}, and the class's vocabulary {identity.VocabularyFingerprint}; give the table that the class was built from.", nameof(path));
        return new DriftBaseline(table, identity.Layout);
    }

    /// <summary>
    /// Compares counts of other text, which may have other tokens, ids and ranks: tokens are the same whose bytes are. Both
    /// texts are taken as samples, so the sampling noise holds for tables of any size.
    /// </summary>
    /// <param name="observed">The observed counts.</param>
    /// <exception cref="ArgumentNullException">There is no table.</exception>
    public DriftReport Compare(TokenTable observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var slotOf = new Dictionary<string, int>(Table.Count, StringComparer.Ordinal);
        for (var slot = 0; slot < Table.Count; slot++) slotOf.Add(Encoding.Latin1.GetString(Table.GetToken(slot)), slot);
        var counts = new long[Table.Count];
        var unknown = new List<long>();
        var unknownTokens = Int128.Zero;
        for (var i = 0; i < observed.Count; i++)
        {
            if (observed.GetCount(i) == 0) continue;
            if (slotOf.TryGetValue(Encoding.Latin1.GetString(observed.GetToken(i)), out var slot))
            {
                counts[slot] = observed.GetCount(i);
                continue;
            }

            unknown.Add(observed.GetCount(i));
            unknownTokens += observed.GetCount(i);
        }

        int[] slots = [.. Enumerable.Range(0, counts.Length).Where(slot => counts[slot] > 0)];
        var report = Compare("", slots, [.. slots.Select(slot => counts[slot])], unknownTokens);
        return report with { SamplingNoise = NoiseBetween(counts, unknown) };
    }

    /// <summary>The slot of an id, or −1.</summary>
    internal int SlotOf(int id) => _slots.SlotOf(id);

    /// <summary>Compares observed counts by slot.</summary>
    /// <param name="tag">Whose they are.</param>
    /// <param name="slots">The slots that were observed, ascending.</param>
    /// <param name="counts">The count of each.</param>
    /// <param name="unknown">The tokens that have no slot.</param>
    internal DriftReport Compare(string tag, ReadOnlySpan<int> slots, ReadOnlySpan<long> counts, Int128 unknown)
    {
        // Each count has 63 bits, so a sum of them may have more.
        var known = Int128.Zero;
        foreach (var count in counts) known += count;
        var tokens = (double)(known + unknown);
        var (occurrences, divergences) = (new double[slots.Length], new double[slots.Length]);
        var (risen, fallen) = (new TopTokens(), new TopTokens());
        for (var i = 0; i < slots.Length; i++)
        {
            var (slot, expected, share) = (slots[i], Table.GetCount(slots[i]) / _total, counts[i] / tokens);
            occurrences[i] = counts[i];
            var divergence = DriftStatistics.JensenShannon(expected, share);
            // A token that was not observed adds (q ln 2) / 2, of which sums over clusters start.
            divergences[i] = divergence - DriftStatistics.JensenShannon(expected, 0);
            (share > expected ? risen : fallen).Add(slot, expected, share, divergence);
        }

        if (tokens > 0) AddUnobserved(slots, fallen);
        var unknownShare = tokens == 0 ? 0 : (double)unknown / tokens;
        // Where the table has each of its tokens, those that its text does not have are ones that it does not know.
        var unknownStability = DriftStatistics.Stability(0, unknownShare, _equalCounts.Sum(group => group.Slots) == Table.Count ? _unseenShare : 0);
        var (clusterShares, binShares) = (_clusters.Sum(slots, occurrences, Math.Max(tokens, 1)), _frequencies.Sum(slots, occurrences, Math.Max(tokens, 1)));
        var clusterDivergences = _clusters.Sum(slots, divergences, 1);
        var clusters = Enumerable.Range(0, _clusters.Count).Select(i => new ClusterDrift(
            LayerTags.NameOf(i),
            _clusters.Expected(i),
            clusterShares[i],
            tokens == 0 ? 0 : _clusters.Stability(i, clusterShares[i]),
            tokens == 0 ? 0 : (_clusters.Expected(i) * Math.Log(2) / 2) + clusterDivergences[i])).ToArray();
        var bins = Enumerable.Range(0, _frequencies.Count).Select(i => new FrequencyDrift(
            _frequencies.First(i),
            _frequencies.End(i) - _frequencies.First(i),
            _frequencies.Expected(i),
            binShares[i],
            tokens == 0 ? 0 : _frequencies.Stability(i, binShares[i]))).ToArray();
        return new DriftReport
        {
            Tag = tag,
            Tokens = Saturate(known),
            UnknownTokens = Saturate(unknown),
            UnknownShare = unknownShare,
            ClusterStability = clusters.Sum(cluster => cluster.Stability) + unknownStability,
            FrequencyStability = bins.Sum(bin => bin.Stability) + unknownStability,
            JensenShannon = Math.Clamp(clusters.Sum(cluster => cluster.JensenShannon) + DriftStatistics.JensenShannon(0, unknownShare), 0, Math.Log(2)),
            SamplingNoise = SamplingNoise(tokens),
            Clusters = clusters,
            Frequencies = bins,
            Risen = risen.Sorted(Table),
            Fallen = fallen.Sorted(Table),
        };
    }

    // Behind tokens that are pinned or kept, which may have any counts, the first ones are the most frequent, so no later one adds more.
    private void AddUnobserved(ReadOnlySpan<int> observed, TopTokens fallen)
    {
        var (next, found) = (0, 0);
        for (var slot = 0; slot < Table.Count && found < ShownTokens; slot++)
        {
            var (count, isKept) = (Table.GetCount(slot), slot < Table.KeptCount);
            if (count == 0 && !isKept) break;
            if (next < observed.Length && observed[next] == slot)
            {
                next++;
                continue;
            }

            if (count == 0) continue;
            var expected = count / _total;
            fallen.Add(slot, expected, 0, DriftStatistics.JensenShannon(expected, 0));
            if (!isKept) found++;
        }
    }

    /// <summary>The mean divergence between the table and as many tokens drawn from it.</summary>
    private double SamplingNoise(double tokens)
    {
        if (tokens == 0) return 0;
        var sum = 0.0;
        foreach (var (count, slots) in _equalCounts) sum += slots * DriftStatistics.Noise(count / _total * tokens);
        return sum / (2 * tokens);
    }

    /// <summary>The mean divergence between two texts of one kind that have these tokens together.</summary>
    /// <param name="observed">The counts of the observed text, in slot order.</param>
    /// <param name="unknown">The counts of its other tokens.</param>
    private double NoiseBetween(long[] observed, List<long> unknown)
    {
        var tokens = observed.Sum(count => (double)count) + unknown.Sum(count => (double)count);
        if (tokens == 0) return 0;
        return Enumerable.Range(0, observed.Length).Select(slot => (double)observed[slot] + Table.GetCount(slot)).Concat(unknown.Select(count => (double)count)).CountBy(count => count)
            .Sum(equal => equal.Value * DriftStatistics.NoiseBetween(equal.Key, _total, tokens));
    }

    private static long Saturate(Int128 count) => (long)Int128.Min(count, long.MaxValue);

    // Descending, also where pinned tokens of other counts stand in front.
    private static (long Count, int Slots)[] GroupEqualCounts(ReadOnlySpan<long> counts) =>
        [.. counts.ToArray().Where(count => count > 0).CountBy(count => count).OrderByDescending(equal => equal.Key).Select(equal => (equal.Key, equal.Value))];

    /// <summary>The tokens that add most to the divergence.</summary>
    private sealed class TopTokens
    {
        private readonly PriorityQueue<(int Slot, double Expected, double Observed), double> _tokens = new(ShownTokens);

        public void Add(int slot, double expected, double observed, double divergence)
        {
            if (_tokens.Count < ShownTokens) _tokens.Enqueue((slot, expected, observed), divergence);
            else _tokens.EnqueueDequeue((slot, expected, observed), divergence);
        }

        public TokenDrift[] Sorted(TokenTable table) =>
        [
            .. _tokens.UnorderedItems
                .Select(item => new TokenDrift(table.GetId(item.Element.Slot), item.Element.Slot, item.Element.Expected, item.Element.Observed, item.Priority))
                .OrderByDescending(token => token.JensenShannon).ThenBy(token => token.Slot),
        ];
    }
}
