using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Makes token tables of counts that others made: word lists, tables, and vocabularies of other libraries.</summary>
public static class CountImport
{
    private const string OverwriteFlag = " #fairseq:overwrite";

    private static readonly string[] s_fairseqSpecial = ["<s>", "<pad>", "</s>", "<unk>"];

    /// <summary>
    /// Reads counts. A token's rows add up. Ids are ranks by descending count, equal counts in the order of the tokens' bytes;
    /// with <see cref="ImportFormat.Fairseq"/> and <see cref="ImportFormat.TransformerXl"/> they are the rows' numbers, and as
    /// many of the first rows keep their places as it takes to keep the order; fairseq's special tokens are pinned.
    /// </summary>
    /// <param name="paths">The files, compressed or not.</param>
    /// <param name="options">How they are written.</param>
    /// <param name="cancellationToken">Stops between two rows.</param>
    /// <exception cref="CorpusException">A file cannot be read or is something else; the message says where and what.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static CorpusCount Read(IReadOnlyList<string> paths, ImportOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        options ??= new ImportOptions();
        options.Words.Check();
        if (paths.Count == 0) throw new CorpusException("There are no counts to read; give files.");
        try
        {
            foreach (var path in paths) RefuseStandIn(path);
            if (options.Format is not (ImportFormat.Fairseq or ImportFormat.TransformerXl)) return ReadCounts(paths, options, cancellationToken);
            return paths.Count == 1
                ? ReadOrdered(CreateFile(paths[0], CorpusFormat.Text), options.Format == ImportFormat.Fairseq, cancellationToken)
                : throw new CorpusException("A vocabulary in the order of its rows is one file; give one.");
        }
        catch (OverflowException exception)
        {
            throw new CorpusException("The counts add up to more than 63 bits hold; scale them down.", exception);
        }
    }

    private static CorpusCount ReadCounts(IReadOnlyList<string> paths, ImportOptions options, CancellationToken cancellationToken)
    {
        var domains = new SortedDictionary<string, Dictionary<string, long>>(StringComparer.Ordinal);
        foreach (var path in paths)
        {
            foreach (var (token, count, domain) in ReadRows(path, options, cancellationToken))
            {
                if (!domains.TryGetValue(domain, out var counts)) domains.Add(domain, counts = new Dictionary<string, long>(StringComparer.Ordinal));
                counts[token] = checked(counts.GetValueOrDefault(token) + count);
            }
        }

        var words = new WordCounts(options.Words, [.. domains.Select(domain => new WordDomain(domain.Key, 0, domain.Value))], []);
        return CorpusCount.Of(words, options.Words with { EndOfText = null }, isShard: false);
    }

    private static IEnumerable<(string Token, long Count, string Domain)> ReadRows(string path, ImportOptions options, CancellationToken cancellationToken)
    {
        var format = options.Format == ImportFormat.Automatic ? FindFormat(path) : options.Format;
        return format switch
        {
            ImportFormat.Parquet => ReadParquet(CreateFile(path, CorpusFormat.Parquet), options, cancellationToken),
            ImportFormat.Csv => ReadTable(CreateFile(path, CorpusFormat.Csv), options, cancellationToken),
            ImportFormat.Tsv => ReadTable(CreateFile(path, CorpusFormat.Tsv), options, cancellationToken),
            _ when options.DomainColumn is not null => throw new CorpusException($"{Excerpt.Line(path)} is a list of words, which has no column {Excerpt.Quote(options.DomainColumn)}; give CSV or Parquet, or leave out the column of domains."),
            _ => ReadWords(CreateFile(path, CorpusFormat.Text), cancellationToken),
        };
    }

    // A line that says `the 1,234` would be a token that never occurs, and so be none.
    private static IEnumerable<(string Token, long Count, string Domain)> ReadWords(CorpusFile file, CancellationToken cancellationToken)
    {
        foreach (var (token, count, line) in ReadLines(file, cancellationToken))
        {
            yield return (token, count ?? throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}({line}): the line has no count behind its token; write the token, a space and a whole number, with nothing behind it.")), "");
        }
    }

    // Both are text, and every line of theirs would be a token.
    private static void RefuseStandIn(string path)
    {
        if (File.Exists(path) && FileContent.Find(path) is var kind and (FileContentKind.LfsPointer or FileContentKind.Html)) throw NoCounts(path, kind);
    }

    private static CorpusException NoCounts(string path, FileContentKind kind) => new($"{Excerpt.Line(path)} is {FileContent.Describe(kind)}, and counts are asked for: a list of words, CSV or Parquet.");

    private static ImportFormat FindFormat(string path)
    {
        var kind = FileContent.Find(path);
        if (kind == FileContentKind.Missing) throw new CorpusException($"{Excerpt.Line(path)} does not exist; give files that do.");
        if (kind == FileContentKind.Parquet) return ImportFormat.Parquet;
        // A word and its count look like a token in base64 and its id.
        if (kind is not (FileContentKind.Text or FileContentKind.RankFile or FileContentKind.Gzip or FileContentKind.Zstandard)) throw NoCounts(path, kind);
        var name = path;
        foreach (var suffix in new[] { ".gz", ".zst", ".zstd" }) name = name.EndsWith(suffix, StringComparison.OrdinalIgnoreCase) ? name[..^suffix.Length] : name;
        return Path.GetExtension(name).ToUpperInvariant() switch
        {
            ".CSV" => ImportFormat.Csv,
            ".TSV" => ImportFormat.Tsv,
            _ => ImportFormat.Words,
        };
    }

    private static CorpusFile CreateFile(string path, CorpusFormat format) => new(path, format, 0);

    private static IEnumerable<(string Token, long Count, string Domain)> ReadTable(CorpusFile file, ImportOptions options, CancellationToken cancellationToken)
    {
        using var stream = file.Open();
        using var table = CsvTable.Open(file, stream);
        var token = CsvTextReader.Find(file, table.Header, options.TokenColumn);
        var count = CsvTextReader.Find(file, table.Header, options.CountColumn);
        var domain = options.DomainColumn is null ? -1 : CsvTextReader.Find(file, table.Header, options.DomainColumn);
        while (table.TryRead())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!TryParse(table[count], out var number)) throw Fault(file, table.Row, $"the count {Excerpt.Quote(table[count])}", "write a whole number that is not negative");
            yield return (table[token], number, CheckDomain(file, table.Row, domain < 0 ? null : table[domain]));
        }
    }

    private static IEnumerable<(string Token, long Count, string Domain)> ReadParquet(CorpusFile file, ImportOptions options, CancellationToken cancellationToken)
    {
        using var table = ParquetTable.Open(file, cancellationToken);
        var (token, count) = (table.Find(options.TokenColumn), table.Find(options.CountColumn));
        var domain = options.DomainColumn is null ? null : table.Find(options.DomainColumn);
        for (var group = 0; group < table.GroupCount; group++)
        {
            var (tokens, counts) = (table.ReadTexts(group, token), table.ReadWhole(group, count));
            var domains = domain is null ? null : table.ReadTexts(group, domain);
            for (var row = 0; row < tokens.Length; row++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (tokens[row] is null) throw Fault(file, row + 1, "no token", "leave such rows out");
                if (counts[row] < 0) throw Fault(file, row + 1, string.Create(CultureInfo.InvariantCulture, $"the count {counts[row]}"), "write a whole number that is not negative");
                yield return (tokens[row]!, counts[row], CheckDomain(file, row + 1, domains is null ? null : domains[row] ?? ""));
            }
        }
    }

    // A token may hold white space, its count may not.
    private static IEnumerable<(string Token, long? Count, int Line)> ReadLines(CorpusFile file, CancellationToken cancellationToken)
    {
        var number = 0;
        foreach (var line in ReadTextLines(file, cancellationToken))
        {
            number++;
            var text = line.TrimEnd('\r');
            if (text.EndsWith(OverwriteFlag, StringComparison.Ordinal)) text = text[..^OverwriteFlag.Length];
            if (text.Length == 0) continue;
            var space = text.AsSpan().LastIndexOfAny(' ', '\t');
            var hasCount = space > 0 && TryParse(text[(space + 1)..], out _);
            if (space > 0 && !hasCount && text.AsSpan(space + 1).IndexOfAnyExceptInRange('0', '9') < 0 && space + 1 < text.Length)
                throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}({number}): the count {Excerpt.Of(text[(space + 1)..])} is too large; scale all counts down."));
            yield return hasCount ? (text[..space], long.Parse(text.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture), number) : (text, null, number);
        }
    }

    private static IEnumerable<string> ReadTextLines(CorpusFile file, CancellationToken cancellationToken)
    {
        var rest = new StringBuilder();
        foreach (var piece in file.ReadPieces(cancellationToken))
        {
            var start = 0;
            for (var end = piece.Text.IndexOf('\n', StringComparison.Ordinal); end >= 0; end = piece.Text.IndexOf('\n', start))
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return rest.Append(piece.Text, start, end - start).ToString();
                rest.Clear();
                start = end + 1;
            }

            rest.Append(piece.Text, start, piece.Text.Length - start);
        }

        if (rest.Length > 0) yield return rest.ToString();
    }

    private static CorpusCount ReadOrdered(CorpusFile file, bool isFairseq, CancellationToken cancellationToken)
    {
        var tokens = new List<byte[]>();
        var counts = new List<long>();
        var lines = new Dictionary<string, int>(StringComparer.Ordinal);
        void Add(string token, long count, int line)
        {
            if (!lines.TryAdd(token, line)) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}({line}): the token {Excerpt.Quote(token)} stands {(lines[token] == 0 ? "among the special tokens, which such a file leaves out" : string.Create(CultureInfo.InvariantCulture, $"on line {lines[token]}"))} already; remove one of the two."));
            tokens.Add(Encoding.UTF8.GetBytes(token));
            counts.Add(count);
        }

        foreach (var special in isFairseq ? s_fairseqSpecial : []) Add(special, 0, 0);
        foreach (var (token, count, line) in ReadLines(file, cancellationToken))
        {
            if (isFairseq && count is null) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}({line}): the line has no count behind its token; give a dict.txt as fairseq-preprocess writes it."));
            Add(token, count ?? 0, line);
        }

        if (tokens.Count < 2) throw new CorpusException($"{Excerpt.Line(file.Path)} has fewer than 2 tokens; a softmax needs at least 2.");
        var kept = tokens.Count;
        var first = isFairseq ? s_fairseqSpecial.Length : 0;
        while (kept > first && (kept == tokens.Count || counts[kept - 1] >= counts[kept])) kept--;
        int[] ids = [.. Enumerable.Range(0, tokens.Count)];
        var table = TokenTable.Create(ids, [.. counts], tokens, ids.AsSpan(0, kept), isFairseq ? first : kept);
        return new CorpusCount(isFairseq ? "fairseq" : "transformer-xl", table, [], 0);
    }

    private static string CheckDomain(CorpusFile file, long row, string? domain)
    {
        if (domain is null) return "";
        return DomainCounts.CheckName(domain) is { } fault ? throw Fault(file, row, $"a domain that {fault}", "give each row a domain, such as 'other'") : domain;
    }

    private static bool TryParse(string text, out long count) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count);

    private static CorpusException Fault(CorpusFile file, long row, string what, string remedy) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}: row {row} has {what}; {remedy}."));
}
