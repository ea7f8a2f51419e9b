using System.Globalization;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Counts by domain as text: the line <c>domain TAB id TAB count</c>, then for each domain, by name in ordinal order, a line
/// with the word <c>documents</c> in place of an id, and one line an id that occurs, ascending. Every line ends in a line feed.
/// </summary>
public static class DomainTable
{
    /// <summary>How names of such files end.</summary>
    public const string Suffix = ".domains";

    private const string Header = "domain\tid\tcount";
    private const string DocumentsRow = "documents";

    /// <summary>The file that keeps the domains of a token table: beside it, with <see cref="Suffix"/> for <c>.tokens</c>.</summary>
    /// <param name="tableFile">The token table.</param>
    public static string FileOf(string tableFile)
    {
        if (tableFile is null) throw new ArgumentNullException(nameof(tableFile));
        const string TableSuffix = ".tokens";
        return (tableFile.EndsWith(TableSuffix, StringComparison.OrdinalIgnoreCase) ? tableFile.Substring(0, tableFile.Length - TableSuffix.Length) : tableFile) + Suffix;
    }

    /// <summary>Writes domains. The same ones give the same text under every culture and platform.</summary>
    /// <param name="writer">Receives the text, in UTF-8 where it has bytes.</param>
    /// <param name="domains">The domains, whose names are distinct.</param>
    public static void Write(TextWriter writer, IEnumerable<DomainCounts> domains)
    {
        if (writer is null) throw new ArgumentNullException(nameof(writer));
        writer.Write(Header + "\n");
        foreach (var domain in DomainCounts.Merge(domains))
        {
            writer.Write(FormattableString.Invariant($"{domain.Name}\t{DocumentsRow}\t{domain.Documents}\n"));
            for (var i = 0; i < domain.Ids.Length; i++) writer.Write(FormattableString.Invariant($"{domain.Name}\t{domain.Ids[i]}\t{domain.Counts[i]}\n"));
        }
    }

    /// <summary>Reads domains.</summary>
    /// <param name="file">The name of the file, for errors.</param>
    /// <param name="text">The whole text of the file. Lines may stand in any order.</param>
    /// <exception cref="FormatException">The text is something else; the message has file, line and remedy.</exception>
    public static IReadOnlyList<DomainCounts> Read(string file, string text)
    {
        if (text is null) throw new ArgumentNullException(nameof(text));
        var documents = new Dictionary<string, long>(StringComparer.Ordinal);
        var counts = new Dictionary<string, Dictionary<int, long>>(StringComparer.Ordinal);
        var number = 0;
        using var reader = new StringReader(text);
        for (var line = reader.ReadLine(); line is not null; line = reader.ReadLine())
        {
            number++;
            if (number == 1)
            {
                if (line.TrimStart('\uFEFF') != Header) throw Fault(file, number, "is not `domain TAB id TAB count`", "Give counts by domain as `adaptive-softmax count --domain` writes them.");
                continue;
            }

            var columns = line.Split('\t');
            if (columns.Length != 3 || DomainCounts.CheckName(columns[0]) is not null || !long.TryParse(columns[2], NumberStyles.None, CultureInfo.InvariantCulture, out var count))
                throw Fault(file, number, "is not a domain, an id and a count with tabs between them", "Mend or remove it.");
            if (columns[1] == DocumentsRow)
            {
                if (documents.ContainsKey(columns[0])) throw Fault(file, number, $"gives the documents of {Excerpt.Quote(columns[0])} a second time", "Add the files up with `adaptive-softmax count merge`.");
                documents[columns[0]] = count;
                continue;
            }

            if (!int.TryParse(columns[1], NumberStyles.None, CultureInfo.InvariantCulture, out var id)) throw Fault(file, number, $"has no id from 0 to {int.MaxValue.ToString(CultureInfo.InvariantCulture)}", "Mend or remove it.");
            if (!counts.TryGetValue(columns[0], out var own)) counts[columns[0]] = own = [];
            if (own.ContainsKey(id)) throw Fault(file, number, $"counts the id {id.ToString(CultureInfo.InvariantCulture)} of {Excerpt.Quote(columns[0])} a second time", "Add the files up with `adaptive-softmax count merge`.");
            own[id] = count;
        }

        if (number == 0) throw Fault(file, 1, "is missing", "Give counts by domain as `adaptive-softmax count --domain` writes them.");
        return DomainCounts.Merge(documents.Keys.Union(counts.Keys).Select(name => DomainCounts.Create(
            name,
            documents.TryGetValue(name, out var number) ? number : 0,
            counts.TryGetValue(name, out var own) ? own : [])));
    }

    /// <summary>Whether domains are those of a table: their sums are its counts.</summary>
    internal static bool AddsUpTo(IEnumerable<DomainCounts> domains, TokenTable table)
    {
        // A file may hold anything: no table has a sum of more than 63 bits.
        var sums = new Dictionary<int, long>(table.Count);
        foreach (var domain in domains)
        {
            for (var i = 0; i < domain.Ids.Length; i++)
            {
                sums.TryGetValue(domain.Ids[i], out var sum);
                if (domain.Counts[i] > long.MaxValue - sum) return false;
                sums[domain.Ids[i]] = sum + domain.Counts[i];
            }
        }

        for (var slot = 0; slot < table.Count; slot++)
        {
            sums.TryGetValue(table.GetId(slot), out var sum);
            if (sum != table.GetCount(slot)) return false;
            sums.Remove(table.GetId(slot));
        }

        return sums.Values.All(sum => sum == 0);
    }

    private static FormatException Fault(string file, int line, string what, string remedy) =>
        new($"{file}({line.ToString(CultureInfo.InvariantCulture)}): the line {what}. {remedy}");
}
