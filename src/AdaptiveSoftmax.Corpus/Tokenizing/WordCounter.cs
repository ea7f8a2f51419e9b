using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Counts the words of a corpus: what stands between white space.</summary>
public static class WordCounter
{
    /// <summary>Counts words. The same files give the same counts for any number of threads.</summary>
    /// <param name="files">The files.</param>
    /// <param name="words">What a word is, and which of them are tokens.</param>
    /// <param name="options">Threads and progress.</param>
    /// <param name="keepGoing">Whether files that cannot be read, or are not what their format says, are left out as wholes.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    /// <exception cref="CorpusException">A file cannot be read or is not what its format says, and is not left out.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static WordCounts Count(IReadOnlyList<CorpusFile> files, WordOptions? words = null, TokenizeOptions? options = null, bool keepGoing = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        words = (words ?? new WordOptions()).Check();
        var numbers = new WordNumbers();
        var counter = new CorpusCounter(TextBorder.Words, endOfTextId: -1, () => new WordEncoder(numbers, words.IsLowerCase));
        var (domains, leftOut) = counter.Count(files, options ?? new TokenizeOptions(), keepGoing, cancellationToken);
        var known = numbers.ToArray();
        var counted = new List<WordDomain>();
        foreach (var (name, tally) in domains)
        {
            var counts = new Dictionary<string, long>(StringComparer.Ordinal);
            for (var number = 0; number < Math.Min(known.Length, tally.Counts.Length); number++)
            {
                if (tally.Counts[number] > 0) counts.Add(known[number], tally.Counts[number]);
            }

            if (words.EndOfText is { } end && tally.Documents > 0) counts[end] = counts.GetValueOrDefault(end) + tally.Documents;
            counted.Add(new WordDomain(name, tally.Documents, counts));
        }

        return new WordCounts(words, counted, leftOut);
    }
}

/// <summary>How often each word of a domain occurs.</summary>
/// <param name="Name">The domain; empty for text of none.</param>
/// <param name="Documents">The number of documents.</param>
/// <param name="Counts">The counts by word.</param>
internal sealed record WordDomain(string Name, long Documents, IReadOnlyDictionary<string, long> Counts);

/// <summary>The words of a corpus, and how often each occurs.</summary>
public sealed class WordCounts
{
    private readonly WordOptions _options;
    private readonly IReadOnlyList<WordDomain> _domains;
    private readonly Dictionary<string, long> _total = new(StringComparer.Ordinal);

    internal WordCounts(WordOptions options, IReadOnlyList<WordDomain> domains, IReadOnlyList<LeftOutPath> leftOut)
    {
        (_options, _domains, LeftOut) = (options, domains, leftOut);
        foreach (var domain in domains)
        {
            foreach (var (word, count) in domain.Counts) _total[word] = checked(_total.GetValueOrDefault(word) + count);
            Documents = checked(Documents + domain.Documents);
        }

        Words = _total.Values.Sum();
    }

    /// <summary>The number of documents.</summary>
    public long Documents { get; }

    /// <summary>The number of words, the ends of documents among them where they have a token.</summary>
    public long Words { get; }

    /// <summary>The number of different words before rare ones are left out.</summary>
    public int DistinctWords => _total.Count;

    /// <summary>The files that could not be read, and why; each is left out as a whole.</summary>
    public IReadOnlyList<LeftOutPath> LeftOut { get; }

    /// <summary>
    /// The token table and the counts by domain: words that are frequent enough, and the token for the others. Ids are ranks by
    /// descending count, equal counts in the order of the words' bytes.
    /// </summary>
    public (TokenTable Table, IReadOnlyList<DomainCounts> Domains) ToTable() => ToTable(_options.MinimumCount);

    internal (TokenTable Table, IReadOnlyList<DomainCounts> Domains) ToTable(long minimumCount)
    {
        var front = _options.Front.ToHashSet(StringComparer.Ordinal);
        var rare = 0L;
        var kept = new List<(string Word, byte[] Token, long Count)>();
        foreach (var (word, count) in _total)
        {
            if (front.Contains(word) || word == _options.Unknown) continue;
            if (count >= minimumCount || word == _options.EndOfText) kept.Add((word, Encoding.UTF8.GetBytes(word), count));
            else rare += count;
        }

        // An unknown token is one of the vocabulary even where this corpus has no rare word: others will.
        var unknown = _options.Unknown;
        var unknownCount = unknown is null ? 0 : _total.GetValueOrDefault(unknown) + rare;
        if (unknown is not null && !front.Contains(unknown) && (minimumCount > 1 || unknownCount > 0)) kept.Add((unknown, Encoding.UTF8.GetBytes(unknown), unknownCount));
        kept.Sort((a, b) => a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Token.AsSpan().SequenceCompareTo(b.Token));
        kept.InsertRange(0, _options.Front.Select(word => (word, Encoding.UTF8.GetBytes(word), word == unknown ? unknownCount : _total.GetValueOrDefault(word))));
        int[] ids = [.. Enumerable.Range(0, kept.Count)];
        var table = TokenTable.Create(ids, [.. kept.Select(word => word.Count)], [.. kept.Select(word => word.Token)], ids.AsSpan(0, front.Count));
        var byWord = kept.Select((word, id) => (word.Word, id)).ToDictionary(pair => pair.Word, pair => pair.id, StringComparer.Ordinal);
        var unknownId = unknown is null ? -1 : byWord.GetValueOrDefault(unknown, -1);
        var domains = _domains.Where(domain => domain.Name.Length > 0).Select(domain => DomainCounts.Create(domain.Name, domain.Documents, Number(domain, byWord, unknownId)));
        return (table, [.. domains]);
    }

    private static IEnumerable<KeyValuePair<int, long>> Number(WordDomain domain, Dictionary<string, int> byWord, int unknownId)
    {
        foreach (var (word, count) in domain.Counts)
        {
            if (byWord.TryGetValue(word, out var id)) yield return new(id, count);
            else if (unknownId >= 0) yield return new(unknownId, count);
        }
    }
}
