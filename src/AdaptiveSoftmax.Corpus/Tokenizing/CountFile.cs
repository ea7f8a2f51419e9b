using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Counts in a file: a token table, or the part of one that a shard counted, with counts by domain where there are some.</summary>
public sealed class CountFile
{
    private CountFile(string path, TokenTable table, ShardHeader? header, IReadOnlyList<DomainCounts>? domains)
    {
        Path = path;
        Table = table;
        Header = header;
        Domains = domains;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Which part of a corpus was counted; null for all of it.</summary>
    public CorpusShard? Shard => Header?.Shard;

    /// <summary>The files of the corpus that could not be read and were left out of a shard's counts; of whole counts that is not known, and 0.</summary>
    public long LeftOut => Header?.LeftOut ?? 0;

    internal TokenTable Table { get; }

    internal ShardHeader? Header { get; }

    internal IReadOnlyList<DomainCounts>? Domains { get; }

    /// <summary>Reads counts.</summary>
    /// <param name="path">The name of the file, for errors.</param>
    /// <param name="table">The text of the token table.</param>
    /// <param name="domains">The text of the counts by domain; null where there are none.</param>
    /// <exception cref="CorpusException">A text is something else; the message says where and what.</exception>
    public static CountFile Read(string path, string table, string? domains)
    {
        var read = TokenTableReader.ReadPart(path, table, out var header);
        if (read.Table is null) throw new CorpusException(read.Errors[0].ToString());
        var shard = header.Shard is null ? null : ShardHeader.TryParse(header.Shard) ?? throw new CorpusException($"{Excerpt.Line(path)}(1): the line does not say which part of a corpus was counted; count the shard anew.");
        try
        {
            return new CountFile(path, read.Table, shard, domains is null ? null : DomainTable.Read(DomainTable.FileOf(path), domains));
        }
        catch (FormatException exception)
        {
            throw new CorpusException(exception.Message, exception);
        }
    }

    /// <summary>Writes the counts of a shard.</summary>
    internal static void Write(TextWriter writer, TokenTable table, ShardHeader header, CancellationToken cancellationToken)
    {
        writer.Write($"{TokenTableHeader.ShardName}\t{header}\n");
        TokenTableWriter.Write(writer, table, cancellationToken);
    }
}
