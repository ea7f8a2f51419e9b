using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads the text in columns of CSV: the fields of a row are one document, with a line feed between them.</summary>
internal static class CsvTextReader
{
    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken)
    {
        using var stream = file.Open();
        using var table = CsvTable.Open(file, stream);
        int[] columns = [.. file.Fields.Select(field => Find(file, table.Header, field))];
        var position = 0L;
        var text = new StringBuilder();
        while (table.TryRead())
        {
            cancellationToken.ThrowIfCancellationRequested();
            text.Clear();
            foreach (var column in columns) text.Append(text.Length > 0 ? "\n" : "").Append(table[column]);
            TextDecoding.CheckText(file, text.ToString());
            yield return new TextPiece(text.ToString(), true, stream.Position - position);
            position = stream.Position;
        }
    }

    /// <summary>The number of a column.</summary>
    /// <exception cref="CorpusException">There is none of that name, or there are two.</exception>
    public static int Find(CorpusFile file, IReadOnlyList<string> header, string name)
    {
        var found = Enumerable.Range(0, header.Count).Where(column => header[column] == name).ToList();
        if (found.Count == 1) return found[0];
        throw new CorpusException($"{Excerpt.Line(file.Path)} has {(found.Count == 0 ? "no column" : "two columns")} {Excerpt.Quote(name)}; its first line names {Excerpt.List(header, header.Count, column => Excerpt.Quote(column))}.");
    }
}
