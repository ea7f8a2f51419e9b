using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The memory of a quantised weight.</summary>
internal sealed unsafe class QuantizedMatrix : IDisposable
{
    private const int ValuesPerPart = 1 << 15;

    private readonly NativeFloats _values;
    private readonly NativeFloats? _scales;

    public QuantizedMatrix(WorkerPool pool, Parameter source, WeightPrecision precision)
    {
        (Rows, Columns, Precision) = (source.Rows, source.Columns, precision);
        var bytes = source.Count * precision.GetBytesPerValue();
        _values = new NativeFloats((bytes + sizeof(float) - 1) / sizeof(float));
        _scales = precision == WeightPrecision.Int8 ? new NativeFloats(Rows) : null;
        var body = new StoreBody { View = View, Source = source.ValuesPointer, RowsPerPart = Math.Max(1, ValuesPerPart / Math.Max(1, Columns)) };
        pool.Run(ref body, (Rows + body.RowsPerPart - 1) / body.RowsPerPart);
    }

    public int Rows { get; }

    public int Columns { get; }

    public WeightPrecision Precision { get; }

    /// <summary>The bytes of values and scales.</summary>
    public long Bytes => ((long)Rows * Columns * Precision.GetBytesPerValue()) + (_scales is null ? 0 : (long)Rows * sizeof(float));

    /// <summary>The weight without its owner, for the threads of a loop.</summary>
    /// <exception cref="ObjectDisposedException">The weight is disposed.</exception>
    public QuantizedView View
    {
        get
        {
            ObjectDisposedException.ThrowIf(_values.Pointer is null, typeof(QuantizedSoftmax));
            return new QuantizedView(Rows, Columns, Precision, _values.Pointer, _scales is null ? null : _scales.Pointer);
        }
    }

    public void Dispose()
    {
        _values.Dispose();
        _scales?.Dispose();
    }

    private struct StoreBody : IParallelBody
    {
        public QuantizedView View;
        public float* Source;
        public int RowsPerPart;

        public readonly void Run(int part)
        {
            var view = View;
            var end = Math.Min(view.Rows, (part + 1) * RowsPerPart);
            for (var row = part * RowsPerPart; row < end; row++) view.StoreRow(row, Source + ((nint)row * view.Columns));
        }
    }
}
