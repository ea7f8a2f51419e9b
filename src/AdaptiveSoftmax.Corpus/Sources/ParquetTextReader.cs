using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads the text in columns of Parquet: the fields of a row are one document, with a line feed between them.</summary>
internal static class ParquetTextReader
{
    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken)
    {
        using var table = ParquetTable.Open(file, cancellationToken);
        var columns = file.Fields.Select(table.Find).ToList();
        var done = 0L;
        var text = new StringBuilder();
        for (var group = 0; group < table.GroupCount; group++)
        {
            var values = columns.Select(column => table.ReadTexts(group, column)).ToList();
            var rows = values[0].Length;
            for (var row = 0; row < rows; row++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                text.Clear();
                var isFound = false;
                foreach (var column in values)
                {
                    if (column[row] is not { } value) continue;
                    text.Append(isFound ? "\n" : "").Append(value);
                    isFound = true;
                }

                if (!isFound) continue;
                TextDecoding.CheckText(file, text.ToString());
                var position = (long)((group + ((row + 1.0) / rows)) / table.GroupCount * file.Length);
                yield return new TextPiece(text.ToString(), true, position - done);
                done = position;
            }
        }
    }
}
