using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>What was counted, ready to be written.</summary>
/// <param name="Encoding">What was counted with.</param>
/// <param name="Table">The token table.</param>
/// <param name="Domains">The counts by domain; empty where there are none.</param>
/// <param name="Documents">The number of documents.</param>
public sealed record CorpusCount(string Encoding, TokenTable Table, IReadOnlyList<DomainCounts> Domains, long Documents)
{
    /// <summary>The files that could not be read, and why; each is left out as a whole.</summary>
    public IReadOnlyList<LeftOutPath> LeftOut { get; init; } = [];

    /// <summary>All occurrences in the table.</summary>
    public long Tokens { get; } = Table.Counts.ToArray().Sum();

    /// <summary>Whether there is no text: no token but those that end documents.</summary>
    public bool IsEmpty { get; init; }

    /// <summary>How words become tokens; null where an encoding has the tokens.</summary>
    internal WordOptions? Words { get; init; }

    /// <summary>Brings together what was counted with an encoding.</summary>
    public static CorpusCount Of(CorpusCounts counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        var total = counts.Total;
        return new CorpusCount(total.Vocabulary.Name, total.ToTable(), [.. counts.Domains.Select(domain => domain.Value.ToDomain(domain.Key))], total.Documents)
        {
            LeftOut = counts.LeftOut,
            IsEmpty = total.Tokens == (total.Vocabulary.EndOfTextId >= 0 ? total.Documents : 0),
        };
    }

    /// <summary>Brings together what was counted as words.</summary>
    /// <param name="counts">The counts.</param>
    /// <param name="words">How they were counted.</param>
    /// <param name="isShard">Whether they are a part of a corpus, whose rare words may be frequent in the whole.</param>
    public static CorpusCount Of(WordCounts counts, WordOptions words, bool isShard)
    {
        ArgumentNullException.ThrowIfNull(counts);
        ArgumentNullException.ThrowIfNull(words);
        var (table, domains) = isShard ? counts.ToTable(minimumCount: 1) : counts.ToTable();
        return new CorpusCount("words", table, domains, counts.Documents)
        {
            LeftOut = counts.LeftOut,
            IsEmpty = counts.Words == (words.EndOfText is null ? 0 : counts.Documents),
            Words = words,
        };
    }

    /// <summary>Writes the table as that of a shard, which only <see cref="CountMerge"/> reads.</summary>
    /// <param name="writer">Receives the text.</param>
    /// <param name="shard">Which part it is.</param>
    /// <param name="settings">All that must be the same in every shard, each as a name and a value.</param>
    /// <param name="cancellationToken">Stops between chunks of lines.</param>
    public void WriteShard(TextWriter writer, CorpusShard shard, IEnumerable<(string Name, string Value)> settings, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(writer);
        CountFile.Write(writer, Table, new ShardHeader(shard, ShardHeader.FingerprintOf(settings), Documents, Words, LeftOut.Count), cancellationToken);
    }
}
