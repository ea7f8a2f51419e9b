using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The weights that a certified decoder answers for, as they are stored: a layer's float32, or the bfloat16 or float16 of a copy,
/// of which nothing is widened but the rows that are read.
/// </summary>
internal sealed unsafe class StoredRows
{
    private readonly Parameter? _weight;
    private readonly QuantizedMatrix? _matrix;
    private readonly Parameter? _bias;
    private readonly NativeFloats? _copiedBias;

    public StoredRows(Parameter weight, Parameter? bias = null)
    {
        (_weight, _bias) = (weight, bias);
        (Rows, Columns) = (weight.Rows, weight.Columns);
    }

    public StoredRows(QuantizedMatrix weight, NativeFloats? bias = null)
    {
        (_matrix, _copiedBias) = (weight, bias);
        (Rows, Columns) = (weight.Rows, weight.Columns);
    }

    public int Rows { get; }

    public int Columns { get; }

    public QuantizedView View => _matrix?.View ?? new QuantizedView(Rows, Columns, WeightPrecision.Float32, _weight!.ValuesPointer, null, null);

    /// <summary>[rows], in float32; null where there is none.</summary>
    public float* Bias => _bias is not null ? _bias.ValuesPointer : _copiedBias is not null ? _copiedBias.Pointer : null;

    /// <summary>The weights as a file has them; where they are a layer's, memory that stays the layer's.</summary>
    public QuantizedMatrix Matrix => _matrix ?? new QuantizedMatrix(Rows, Columns, WeightPrecision.Float32, [new NativeFloats(_weight!.ValuesPointer, _weight.Count)]);

    /// <inheritdoc cref="Matrix"/>
    public NativeFloats? BiasMemory => _bias is null ? _copiedBias : new NativeFloats(_bias.ValuesPointer, _bias.Count);

    /// <summary>outputs = weight · input, [rows], with the bits of a decoder of these weights for one token.</summary>
    public void Multiply(WorkerPool pool, float* input, float* outputs)
    {
        var body = new Body { Matrix = View, Input = input, Outputs = outputs, RowsPerTile = Gemv.RowsPerSmallTile(Columns) };
        pool.Run(ref body, (Rows + body.RowsPerTile - 1) / body.RowsPerTile);
    }

    /// <summary>A row's logit, with the bits of a decoder of these weights for one token.</summary>
    public float Logit(float* input, int row)
    {
        float logit;
        View.MultiplyRows(input, &logit - row, row, row + 1);
        return Bias is null ? logit : logit + Bias[row];
    }

    /// <summary>A row's logit, with the bits of a decoder of these weights for a block of tokens.</summary>
    /// <param name="input">The input.</param>
    /// <param name="row">The row.</param>
    /// <param name="room">Room for a widened row, [columns].</param>
    public float BlockLogit(float* input, int row, float* room)
    {
        var bias = Bias;
        var logit = bias is null ? 0 : bias[row];
        Gemm.MultiplyOnThisThread(View.Row(row, room), Columns, 1, input, 1, &logit, 1, 1, 1, Columns, accumulate: bias is not null);
        return logit;
    }

    private struct Body : IParallelBody
    {
        public QuantizedView Matrix;
        public float* Input, Outputs;
        public int RowsPerTile;

        public readonly void Run(int tile) => Matrix.MultiplyRows(Input, Outputs, tile * RowsPerTile, Math.Min(Matrix.Rows, (tile + 1) * RowsPerTile));
    }
}
