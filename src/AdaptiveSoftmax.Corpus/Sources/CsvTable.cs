using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;
using Sylvan.Data.Csv;

namespace AdaptiveSoftmax.Corpus;

/// <summary>A table of values with commas or tabs between them (RFC 4180), row by row.</summary>
internal sealed class CsvTable : IDisposable
{
    private const int BufferLength = 1 << 16;
    private const int LongestRow = 1 << 28;

    private readonly CorpusFile _file;
    private readonly StreamReader _text;
    private readonly CsvDataReader _rows;

    private CsvTable(CorpusFile file, StreamReader text)
    {
        _file = file;
        _text = text;
        _rows = Try(() => CsvDataReader.Create(text, new CsvDataReaderOptions
        {
            Delimiter = file.Format == CorpusFormat.Tsv ? '\t' : ',',
            // The names are read as a row, since they may repeat. No line is a comment: it might be text.
            HasHeaders = false,
            Comment = '\0',
            BufferSize = BufferLength,
            MaxBufferSize = LongestRow,
        }));
        if (!Try(_rows.Read)) throw new CorpusException($"{Excerpt.Line(file.Path)} has no rows, not even one with the names of the columns.");
        Header = [.. Enumerable.Range(0, _rows.RowFieldCount).Select(_rows.GetString)];
    }

    /// <summary>The names in the first line.</summary>
    public IReadOnlyList<string> Header { get; }

    /// <summary>The number of the row, from 1; the names are not counted.</summary>
    public int Row { get; private set; }

    /// <summary>A value of the row.</summary>
    public string this[int column] => Try(() => _rows.GetString(column));

    /// <exception cref="CorpusException">There is no first line, or it is no text.</exception>
    public static CsvTable Open(CorpusFile file, CorpusStream stream)
    {
        var text = TextDecoding.CreateReader(stream);
        try
        {
            return new CsvTable(file, text);
        }
        catch
        {
            text.Dispose();
            throw;
        }
    }

    /// <summary>Reads the next row.</summary>
    /// <exception cref="CorpusException">It has not as many values as there are columns, or is no text.</exception>
    public bool TryRead()
    {
        if (!Try(_rows.Read)) return false;
        Row++;
        if (_rows.RowFieldCount != Header.Count)
            throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(_file.Path)}: row {Row} has {_rows.RowFieldCount} values, and there are {Header.Count} columns; put values that hold the delimiter in quotation marks."));
        return true;
    }

    public void Dispose()
    {
        _rows.Dispose();
        _text.Dispose();
    }

    private T Try<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DecoderFallbackException exception)
        {
            throw TextDecoding.Undecodable(_file, _text.CurrentEncoding, exception);
        }
        catch (CsvRecordTooLargeException exception)
        {
            throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(_file.Path)}: row {Row + 1} is longer than {LongestRow} characters; a quotation mark may be open that is never closed."), exception);
        }
        catch (FormatException exception)
        {
            throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(_file.Path)}: row {Row + 1} is not CSV ({exception.Message.TrimEnd('.')}); put values with quotation marks in quotation marks, and double those that stand in them."), exception);
        }
    }
}
