using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The frequencies that a vocabulary was planned for, to compare observed ones with: the counts of its token table. They
/// are taken as the truth, so the table should be counted over much more text than what is compared with it.
/// </summary>
public sealed class DriftBaseline
{
    private const int FrequencyBins = 10;
    private const int RisenTokens = 20;

    private readonly double _total;
    private readonly int[] _clusterEnds;
    private readonly int[] _binEnds;
    private readonly double[] _clusterShares;
    private readonly double[] _binShares;
    private readonly (long Count, int Slots)[] _equalCounts;
    private readonly int[] _slotById;
    private readonly int[] _sortedIds;
    private readonly int[] _slotOfSortedId;

    /// <summary>Takes a table's counts.</summary>
    /// <param name="table">The token table.</param>
    /// <param name="layout">The sizes of head and tails.</param>
    /// <exception cref="ArgumentException">The table has not the layout's size, or all its counts are 0.</exception>
    public DriftBaseline(TokenTable table, SoftmaxLayout layout)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(layout);
        if (table.Count != layout.VocabularySize)
            throw new ArgumentException($"The table has {table.Count} tokens, and the layout {layout.VocabularySize}; give the table that the class was built from.", nameof(table));
        (Table, Layout) = (table, layout);
        var counts = table.Counts;
        foreach (var count in counts) _total += count;
        if (_total == 0)
            throw new ArgumentException("All counts of the table are 0, so nothing is expected of any token; count a corpus with `adaptive-softmax count`.", nameof(table));
        _clusterEnds = [layout.ShortlistSize, .. layout.Tails.Select(tail => tail.Start + tail.Size)];
        _binEnds = CreateBins(counts);
        (_clusterShares, _binShares) = (SharesOf(counts, _clusterEnds), SharesOf(counts, _binEnds));
        _equalCounts = GroupEqualCounts(counts);
        var largestId = 0;
        foreach (var id in table.Ids) largestId = Math.Max(largestId, id);
        // Ids of a tokenizer leave few gaps; others are searched for.
        if (largestId < 4L * table.Count)
        {
            (_sortedIds, _slotOfSortedId) = ([], []);
            _slotById = new int[largestId + 1];
            _slotById.AsSpan().Fill(-1);
            for (var slot = 0; slot < table.Count; slot++) _slotById[table.GetId(slot)] = slot;
        }
        else
        {
            _slotById = [];
            (_sortedIds, _slotOfSortedId) = (table.Ids.ToArray(), [.. Enumerable.Range(0, table.Count)]);
            Array.Sort(_sortedIds, _slotOfSortedId);
        }
    }

    /// <summary>The token table.</summary>
    public TokenTable Table { get; }

    /// <summary>The sizes of head and tails.</summary>
    public SoftmaxLayout Layout { get; }

    /// <summary>The bytes that are held beside the table.</summary>
    internal long Bytes => (sizeof(int) * (_slotById.LongLength + _sortedIds.LongLength + _slotOfSortedId.LongLength)) + (16L * _equalCounts.Length);

    /// <summary>Reads the token table of a class.</summary>
    /// <param name="path">The table, by convention <c>*.tokens</c>.</param>
    /// <param name="identity">The class's identity, <see cref="SoftmaxDecoder.Identity"/>.</param>
    /// <exception cref="ArgumentException">The table is of another vocabulary than the class, or all its counts are 0.</exception>
    /// <exception cref="InvalidDataException">The file is no token table.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DriftBaseline FromTable(string path, SoftmaxIdentity identity)
    {
        ArgumentNullException.ThrowIfNull(identity);
        var read = TokenTableReader.Read(path, File.ReadAllText(path));
        var table = read.Table ?? throw new InvalidDataException(read.Errors[0].ToString());
        if (identity.VocabularyFingerprint.Length > 0 && table.Fingerprint != identity.VocabularyFingerprint)
            throw new ArgumentException($"'{path}' has the fingerprint {table.Fingerprint}, and the class's vocabulary {identity.VocabularyFingerprint}; give the table that the class was built from.", nameof(path));
        return new DriftBaseline(table, identity.Layout);
    }

    /// <summary>Compares counts of other text, which may have other tokens, ids and ranks: tokens are the same whose bytes are.</summary>
    /// <param name="observed">The observed counts.</param>
    /// <exception cref="ArgumentNullException">There is no table.</exception>
    public DriftReport Compare(TokenTable observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var slotOf = new Dictionary<string, int>(Table.Count, StringComparer.Ordinal);
        for (var slot = 0; slot < Table.Count; slot++) slotOf.Add(Encoding.Latin1.GetString(Table.GetToken(slot)), slot);
        var found = new List<(int Slot, long Count)>();
        var unknown = 0L;
        for (var i = 0; i < observed.Count; i++)
        {
            if (observed.GetCount(i) == 0) continue;
            if (slotOf.TryGetValue(Encoding.Latin1.GetString(observed.GetToken(i)), out var slot)) found.Add((slot, observed.GetCount(i)));
            else unknown += observed.GetCount(i);
        }

        found.Sort();
        return Compare("", [.. found.Select(each => each.Slot)], [.. found.Select(each => each.Count)], unknown);
    }

    /// <summary>The slot of an id, or −1.</summary>
    internal int SlotOf(int id)
    {
        if (_slotById.Length > 0) return (uint)id < (uint)_slotById.Length ? _slotById[id] : -1;
        var position = Array.BinarySearch(_sortedIds, id);
        return position < 0 ? -1 : _slotOfSortedId[position];
    }

    /// <summary>Compares observed counts by slot.</summary>
    /// <param name="tag">Whose they are.</param>
    /// <param name="slots">The slots that were observed, ascending.</param>
    /// <param name="counts">The count of each.</param>
    /// <param name="unknown">The tokens that have no slot.</param>
    internal DriftReport Compare(string tag, ReadOnlySpan<int> slots, ReadOnlySpan<long> counts, long unknown)
    {
        var tokens = 0L;
        foreach (var count in counts) tokens += count;
        // A token that was not observed adds (q ln 2) / 2 to the divergence: so do all at first, then the observed ones differ.
        var clusters = new Sums(_clusterEnds, _clusterShares, tokens == 0 ? 0 : Math.Log(2) / 2);
        var bins = new Sums(_binEnds, _binShares, 0);
        var risen = new PriorityQueue<TokenDrift, double>(RisenTokens + 1);
        for (var i = 0; i < slots.Length; i++)
        {
            var (expected, observed) = (Table.GetCount(slots[i]) / _total, (double)counts[i] / tokens);
            var divergence = DriftStatistics.JensenShannon(expected, observed);
            clusters.AddObserved(slots[i], observed, divergence - DriftStatistics.JensenShannon(expected, 0));
            bins.AddObserved(slots[i], observed, 0);
            if (observed > expected && (risen.Count < RisenTokens || divergence > risen.Peek().JensenShannon))
            {
                risen.Enqueue(new TokenDrift(Table.GetId(slots[i]), slots[i], expected, observed, divergence), divergence);
                if (risen.Count > RisenTokens) risen.Dequeue();
            }
        }

        var clusterReports = clusters.Report((i, _, _, q, p, divergence) => new ClusterDrift(LayerTags.NameOf(i), q, p, tokens == 0 ? 0 : DriftStatistics.Stability(q, p), divergence));
        var binReports = bins.Report((_, first, size, q, p, _) => new FrequencyDrift(first, size, q, p, tokens == 0 ? 0 : DriftStatistics.Stability(q, p)));
        return new DriftReport(
            tag,
            tokens,
            unknown,
            clusterReports.Sum(cluster => cluster.Stability),
            binReports.Sum(bin => bin.Stability),
            Math.Clamp(clusterReports.Sum(cluster => cluster.JensenShannon), 0, Math.Log(2)),
            SamplingNoise(tokens),
            clusterReports,
            binReports,
            [.. risen.UnorderedItems.Select(item => item.Element).OrderByDescending(token => token.JensenShannon).ThenBy(token => token.Slot)],
            IsDrifted: false);
    }

    /// <summary>The mean divergence between the table and as many tokens drawn from it.</summary>
    internal double SamplingNoise(long tokens)
    {
        if (tokens == 0) return 0;
        var sum = 0.0;
        foreach (var (count, slots) in _equalCounts) sum += slots * DriftStatistics.Noise(count / _total * tokens);
        return sum / (2.0 * tokens);
    }

    private double[] SharesOf(ReadOnlySpan<long> counts, int[] ends)
    {
        var shares = new double[ends.Length];
        for (var (slot, range) = (0, 0); slot < counts.Length; slot++)
        {
            while (slot >= ends[range]) range++;
            shares[range] += counts[slot];
        }

        for (var range = 0; range < ends.Length; range++) shares[range] /= _total;
        return shares;
    }

    // Each bin ends where another tenth of the occurrences is full; a token of several tenths leaves fewer bins.
    private int[] CreateBins(ReadOnlySpan<long> counts)
    {
        var ends = new List<int>();
        var (sum, slot) = (0.0, 0);
        for (; slot < counts.Length && counts[slot] > 0; slot++)
        {
            sum += counts[slot];
            if (sum < _total * (ends.Count + 1) / FrequencyBins) continue;
            ends.Add(slot + 1);
            // What one token has beyond its tenth fills the next ones too.
            while (ends.Count < FrequencyBins && sum >= _total * (ends.Count + 1) / FrequencyBins) ends.Add(slot + 1);
        }

        if (ends.Count == 0 || ends[^1] < slot) ends.Add(slot);
        ends.Add(counts.Length);
        return [.. ends.Distinct()];
    }

    private static (long Count, int Slots)[] GroupEqualCounts(ReadOnlySpan<long> counts)
    {
        var groups = new List<(long Count, int Slots)>();
        foreach (var count in counts)
        {
            if (count == 0) break;
            if (groups.Count > 0 && groups[^1].Count == count) groups[^1] = (count, groups[^1].Slots + 1);
            else groups.Add((count, 1));
        }

        return [.. groups];
    }

    /// <summary>Sums over ranges of slots. Slots come in ascending order, so each range is found by moving on.</summary>
    private sealed class Sums(int[] ends, double[] expected, double divergenceOfUnobserved)
    {
        private readonly double[] _observed = new double[ends.Length];
        private readonly double[] _divergence = [.. expected.Select(share => share * divergenceOfUnobserved)];
        private int _range;

        public void AddObserved(int slot, double share, double divergence)
        {
            while (slot >= ends[_range]) _range++;
            _observed[_range] += share;
            _divergence[_range] += divergence;
        }

        public T[] Report<T>(Func<int, int, int, double, double, double, T> create)
        {
            var result = new T[ends.Length];
            for (var i = 0; i < ends.Length; i++)
            {
                var first = i == 0 ? 0 : ends[i - 1];
                result[i] = create(i, first, ends[i] - first, expected[i], _observed[i], _divergence[i]);
            }

            return result;
        }
    }
}
