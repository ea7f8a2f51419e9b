using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The memory of a quantised weight.</summary>
internal sealed unsafe class QuantizedMatrix : IDisposable
{
    private readonly NativeFloats _values;
    private readonly NativeFloats? _scales;

    public QuantizedMatrix(Parameter source, WeightPrecision precision)
    {
        (Rows, Columns, Precision) = (source.Rows, source.Columns, precision);
        var bytes = source.Count * precision.GetBytesPerValue();
        _values = new NativeFloats((bytes + sizeof(float) - 1) / sizeof(float));
        _scales = precision == WeightPrecision.Int8 ? new NativeFloats(Rows) : null;
        for (var row = 0; row < Rows; row++) View.StoreRow(row, source.ValuesPointer + ((nint)row * Columns));
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
}
