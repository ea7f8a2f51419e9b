namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// How often tokens occur in one part of a corpus, such as a language or a customer. Kept beside the token table of the
/// whole, for whose counts those of all domains add up. Immutable.
/// </summary>
public sealed class DomainCounts
{
    private readonly int[] _ids;
    private readonly long[] _counts;

    private DomainCounts(string name, long documents, int[] ids, long[] counts)
    {
        Name = name;
        Documents = documents;
        _ids = ids;
        _counts = counts;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The number of documents.</summary>
    public long Documents { get; }

    /// <summary>The ids of the tokens that occur, ascending.</summary>
    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>How often each of <see cref="Ids"/> occurs, at least once.</summary>
    public ReadOnlySpan<long> Counts => _counts;

    /// <summary>The number of all occurrences.</summary>
    public long Tokens => _counts.Sum();

    /// <summary>What is wrong with a name, as words that follow it; null where nothing is.</summary>
    public static string? CheckName(string name)
    {
        if (string.IsNullOrEmpty(name)) return "is empty";
        return name.Any(char.IsControl) || name != name.Trim() ? "has a control character, or white space at an end" : null;
    }

    /// <summary>Takes counts by id; ids that do not occur are left out.</summary>
    /// <param name="name">The name: a line of text, without white space at its ends.</param>
    /// <param name="documents">The number of documents.</param>
    /// <param name="counts">Counts by id, not negative. Ids may repeat.</param>
    /// <exception cref="ArgumentException">The name, an id or a count is not as asked.</exception>
    /// <exception cref="OverflowException">A sum has more than 64 bits.</exception>
    public static DomainCounts Create(string name, long documents, IEnumerable<KeyValuePair<int, long>> counts)
    {
        if (counts is null) throw new ArgumentNullException(nameof(counts));
        if (CheckName(name) is { } fault) throw new ArgumentException($"The domain's name {fault}.", nameof(name));
        if (documents < 0) throw new ArgumentOutOfRangeException(nameof(documents), documents, "The number of documents must not be negative.");
        var sums = new SortedDictionary<int, long>();
        foreach (var pair in counts)
        {
            if (pair.Key < 0 || pair.Value < 0) throw new ArgumentException(FormattableString.Invariant($"The id {pair.Key} has the count {pair.Value}; neither may be negative."), nameof(counts));
            if (pair.Value == 0) continue;
            sums.TryGetValue(pair.Key, out var sum);
            sums[pair.Key] = checked(sum + pair.Value);
        }

        return new DomainCounts(name, documents, [.. sums.Keys], [.. sums.Values]);
    }

    /// <summary>Adds up domains of the same name, and orders them by name.</summary>
    /// <param name="domains">Domains of one or more corpora over the same tokens.</param>
    /// <exception cref="OverflowException">A sum has more than 64 bits.</exception>
    public static IReadOnlyList<DomainCounts> Merge(IEnumerable<DomainCounts> domains)
    {
        if (domains is null) throw new ArgumentNullException(nameof(domains));
        return
        [
            .. domains.GroupBy(domain => domain.Name, StringComparer.Ordinal)
                .OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => group.Count() == 1 ? group.Single() : Create(group.Key, group.Sum(domain => domain.Documents), group.SelectMany(Pairs))),
        ];
    }

    private static IEnumerable<KeyValuePair<int, long>> Pairs(DomainCounts domain)
    {
        for (var i = 0; i < domain._ids.Length; i++) yield return new KeyValuePair<int, long>(domain._ids[i], domain._counts[i]);
    }
}
