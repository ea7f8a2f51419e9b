using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Parquet;
using Parquet.Schema;

namespace AdaptiveSoftmax.Corpus;

/// <summary>A table in Parquet, column by column and row group by row group.</summary>
internal sealed class ParquetTable : IDisposable
{
    private readonly CorpusFile _file;
    private readonly Stream _stream;
    private readonly CancellationToken _cancellationToken;
    private ParquetReader? _reader;

    private ParquetTable(CorpusFile file, Stream stream, CancellationToken cancellationToken) => (_file, _stream, _cancellationToken) = (file, stream, cancellationToken);

    public int GroupCount => _reader!.RowGroupCount;

    /// <exception cref="CorpusException">It cannot be read.</exception>
    public static ParquetTable Open(CorpusFile file, CancellationToken cancellationToken)
    {
        var table = new ParquetTable(file, file.OpenStored(), cancellationToken);
        try
        {
            table._reader = table.Try(() => ParquetReader.CreateAsync(table._stream, null, false, cancellationToken));
            return table;
        }
        catch
        {
            table.Dispose();
            throw;
        }
    }

    /// <summary>A column by its name; with dots between the parts where it stands inside others.</summary>
    /// <exception cref="CorpusException">There is none.</exception>
    public DataField Find(string name)
    {
        var fields = _reader!.Schema.GetDataFields();
        return Array.Find(fields, field => Name(field) == name)
            ?? throw new CorpusException($"{Excerpt.Line(_file.Path)} has no column {Excerpt.Quote(name)}; there are {Excerpt.List(fields, fields.Length, field => Excerpt.Quote(Name(field)))}.");
    }

    /// <summary>The texts of a column in a row group; null where there is none.</summary>
    /// <exception cref="CorpusException">The column holds something else.</exception>
    public string?[] ReadTexts(int group, DataField column)
    {
        if (column.MaxRepetitionLevel > 0) throw new CorpusException($"The column {Excerpt.Quote(Name(column))} of {Excerpt.Line(_file.Path)} holds lists; write a table with one text a row.");
        if (column.ClrType != typeof(string) && column.ClrType != typeof(ReadOnlyMemory<char>))
            throw new CorpusException($"The column {Excerpt.Quote(Name(column))} of {Excerpt.Line(_file.Path)} holds no text, but {column.ClrType.Name}; give a column with text.");
        var rows = _reader!.OpenRowGroupReader(group);
        var values = new string?[rows.RowCount];
        Try(() => rows.ReadAsync(column, values.AsMemory()!, null, _cancellationToken));
        return values;
    }

    /// <summary>The whole numbers of a column in a row group.</summary>
    /// <exception cref="CorpusException">The column holds something else, or nothing in a row.</exception>
    public long[] ReadWhole(int group, DataField column)
    {
        var rows = _reader!.OpenRowGroupReader(group);
        var type = column.ClrType;
        if (type == typeof(long)) return Read<long>(rows, column, value => value);
        if (type == typeof(int)) return Read<int>(rows, column, value => value);
        if (type == typeof(ulong)) return Read<ulong>(rows, column, value => checked((long)value));
        if (type == typeof(uint)) return Read<uint>(rows, column, value => value);
        throw new CorpusException($"The column {Excerpt.Quote(Name(column))} of {Excerpt.Line(_file.Path)} holds no whole numbers, but {type.Name}; cast it, in SQL with ::BIGINT.");
    }

    public void Dispose()
    {
        if (_reader is not null) _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _stream.Dispose();
    }

    private static string Name(DataField field) => string.Join('.', field.Path.ToList());

    private long[] Read<T>(ParquetRowGroupReader rows, DataField column, Func<T, long> convert)
        where T : struct
    {
        var values = new T?[rows.RowCount];
        if (column.IsNullable)
        {
            Try(() => rows.ReadAsync<T>(column, values.AsMemory(), null, _cancellationToken));
        }
        else
        {
            var present = new T[rows.RowCount];
            Try(() => rows.ReadAsync<T>(column, present.AsMemory(), null, _cancellationToken));
            values = [.. present.Select(value => (T?)value)];
        }

        return
        [
            .. values.Select((value, row) => value is { } number
                ? convert(number)
                : throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The column {Excerpt.Quote(Name(column))} of {Excerpt.Line(_file.Path)} has no number in row {row + 1} of a group; leave such rows out."))),
        ];
    }

    private void Try(Func<ValueTask> read) => Try(async () =>
    {
        await read().ConfigureAwait(false);
        return true;
    });

    // The library reads from memory and files: nothing is gained by waiting in another way.
    private T Try<T>(Func<Task<T>> read)
    {
        try
        {
            return read().GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or OutOfMemoryException or CorpusException))
        {
            throw new CorpusException($"{Excerpt.Line(_file.Path)} cannot be read as Parquet, it is broken or cut short ({exception.Message.TrimEnd('.')}); fetch or write it anew.", exception);
        }
    }
}
