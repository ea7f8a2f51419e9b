using System.Buffers;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The memory of a quantised weight.</summary>
internal sealed unsafe class QuantizedMatrix : IDisposable
{
    private const int ValuesPerTile = 1 << 15;

    private readonly NativeFloats _values;
    private readonly NativeFloats? _scales;
    private readonly NativeFloats? _groupScales;

    /// <summary>Stores a weight.</summary>
    /// <exception cref="ArgumentException">It holds a number that the precision cannot.</exception>
    public QuantizedMatrix(WorkerPool pool, Parameter source, WeightPrecision precision)
        : this(CheckRange(source, precision).Rows, source.Columns, precision)
    {
        Store(pool, new QuantizedView(Rows, Columns, WeightPrecision.Float32, source.ValuesPointer, null, null));
    }

    /// <summary>Stores weights of another precision.</summary>
    public QuantizedMatrix(WorkerPool pool, QuantizedView source, WeightPrecision precision)
        : this(source.Rows, source.Columns, precision) => Store(pool, source);

    /// <summary>Memory of zeros, for rows that are stored one by one.</summary>
    public QuantizedMatrix(int rows, int columns, WeightPrecision precision)
    {
        (Rows, Columns, Precision) = (rows, columns, precision);
        var count = (long)rows * columns;
        var groups = precision == WeightPrecision.Int4 ? (long)Rows * Int4Gemv.Groups(Columns) : 0;
        _values = Allocate(precision switch
        {
            WeightPrecision.Float32 => count * sizeof(float),
            WeightPrecision.BFloat16 or WeightPrecision.Float16 => count * sizeof(ushort),
            WeightPrecision.Int8 => count,
            _ => groups * Int4Gemv.GroupBytes,
        });
        _scales = precision is WeightPrecision.Int8 or WeightPrecision.Int4 ? new NativeFloats(Rows) : null;
        _groupScales = groups > 0 ? Allocate((groups + Int4Gemv.ReadBehind) * sizeof(short)) : null;
    }

    /// <summary>A weight that was stored before, whose memory belongs to this from then on.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="precision">The precision.</param>
    /// <param name="parts">What <see cref="Parts"/> was.</param>
    public QuantizedMatrix(int rows, int columns, WeightPrecision precision, IReadOnlyList<NativeFloats> parts)
    {
        (Rows, Columns, Precision) = (rows, columns, precision);
        (_values, _scales) = (parts[0], parts.Count > 1 ? parts[^1] : null);
        _groupScales = parts.Count > 2 ? parts[1] : null;
    }

    public int Rows { get; }

    public int Columns { get; }

    public WeightPrecision Precision { get; }

    /// <summary>The values and, where a precision has them, the scales of groups and of rows.</summary>
    public IReadOnlyList<NativeFloats> Parts => [.. new[] { _values, _groupScales, _scales }.OfType<NativeFloats>()];

    /// <summary>The bytes of values and scales.</summary>
    public long Bytes => Rows * Precision.GetRowBytes(Columns);

    /// <summary>The weight without its owner, for the threads of a loop.</summary>
    /// <exception cref="ObjectDisposedException">The weight is disposed.</exception>
    public QuantizedView View
    {
        get
        {
            ObjectDisposedException.ThrowIf(_values.Pointer is null, this);
            return new QuantizedView(Rows, Columns, Precision, _values.Pointer, _scales is null ? null : _scales.Pointer, _groupScales is null ? null : (short*)_groupScales.Pointer);
        }
    }

    public void Dispose()
    {
        _values.Dispose();
        _scales?.Dispose();
        _groupScales?.Dispose();
    }

    private static Parameter CheckRange(Parameter source, WeightPrecision precision)
    {
        for (var start = 0L; precision == WeightPrecision.Float16 && start < source.Count; start += 1 << 20)
        {
            var largest = Vectors.LargestMagnitude(source.ValuesPointer + start, (int)Math.Min(1 << 20, source.Count - start));
            if (largest > RowRounding.LargestFloat16)
                throw new ArgumentException(FormattableString.Invariant($"'{source.Name}' holds a number of magnitude {largest}, and float16's largest is {RowRounding.LargestFloat16}; take bfloat16 for it."));
        }

        return source;
    }

    private void Store(WorkerPool pool, QuantizedView source)
    {
        var body = new StoreBody { View = View, Source = source, RowsPerTile = Math.Max(1, ValuesPerTile / Math.Max(1, Columns)) };
        pool.Run(ref body, (Rows + body.RowsPerTile - 1) / body.RowsPerTile);
    }

    private static NativeFloats Allocate(long bytes) => new((bytes + sizeof(float) - 1) / sizeof(float));

    private struct StoreBody : IParallelBody
    {
        public QuantizedView View, Source;
        public int RowsPerTile;

        public readonly void Run(int tile)
        {
            var view = View;
            var end = Math.Min(view.Rows, (tile + 1) * RowsPerTile);
            var room = ArrayPool<float>.Shared.Rent(view.Columns);
            fixed (float* widened = room)
            {
                for (var row = tile * RowsPerTile; row < end; row++) view.StoreRow(row, Source.Row(row, widened));
            }

            ArrayPool<float>.Shared.Return(room);
        }
    }
}
