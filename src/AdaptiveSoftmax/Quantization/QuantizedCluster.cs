using System.Buffers;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The head or a tail of a quantised softmax.</summary>
internal sealed unsafe class QuantizedCluster : IDecodingCluster, IDisposable
{
    private const int ValuesPerTile = 1 << 16;
    private readonly QuantizedMatrix? _projection;
    private readonly QuantizedMatrix _output;
    private readonly NativeFloats? _bias;
    private readonly LogitMap _map;

    /// <summary>The head; its bias stays in float32.</summary>
    public QuantizedCluster(WorkerPool pool, Parameter weight, Parameter? bias, LogitMap map, WeightPrecision precision)
    {
        _map = map;
        _output = new QuantizedMatrix(pool, weight, precision);
        if (bias is null) return;
        _bias = new NativeFloats(bias.Count);
        bias.Values.CopyTo(new Span<float>(_bias.Pointer, bias.Rows));
    }

    /// <summary>
    /// A tail. Its projection is small beside its output and an error in it moves all the tail's logits, so it keeps
    /// bfloat16 where the output is int8 or int4.
    /// </summary>
    public QuantizedCluster(WorkerPool pool, TailLayer tail, WeightPrecision precision)
    {
        _projection = new QuantizedMatrix(pool, tail.Projection, OfProjection(precision));
        _output = new QuantizedMatrix(pool, tail.Output, precision);
    }

    /// <summary>A head or a tail that was stored before, whose memory belongs to this from then on.</summary>
    public QuantizedCluster(QuantizedMatrix? projection, QuantizedMatrix output, NativeFloats? bias, LogitMap map = default) =>
        (_projection, _output, _bias, _map) = (projection, output, bias, map);

    /// <summary>The weights as a file has them: a tail's projection, and the output.</summary>
    public IEnumerable<QuantizedMatrix> Matrices => _projection is null ? [_output] : [_projection, _output];

    /// <summary>The head's bias, if it has one.</summary>
    public NativeFloats? Bias => _bias;

    /// <summary>The files that its memory is in.</summary>
    public IEnumerable<MappedFile?> Maps => Matrices.SelectMany(matrix => matrix.Parts).Select(part => part.Map).Append(_bias?.Map);

    /// <summary>The precision of a tail's projection.</summary>
    public static WeightPrecision OfProjection(WeightPrecision output) => output is WeightPrecision.Int8 or WeightPrecision.Int4 ? WeightPrecision.BFloat16 : output;

    public long Bytes => _output.Bytes + (_projection?.Bytes ?? 0) + ((_bias?.Count ?? 0) * sizeof(float));

    private int RowsPerTile => Math.Max(4, ValuesPerTile / _output.Columns / 4 * 4);

    /// <summary>The weights as a certified decoder reads them.</summary>
    public StoredRows Output => new(_output, _bias);

    /// <inheritdoc cref="Output"/>
    public StoredRows? Projection => _projection is null ? null : new(_projection);

    public LogitBlock Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes)
    {
        if (_projection is not null)
        {
            var projected = scratch.Floats((long)_projection.Rows * lanes);
            Multiply(pool, _projection, inputs, lanes, projected, bias: null, default, null, null);
            inputs = projected;
        }

        var tiles = (_output.Rows + TokenBlocks.RowsPerTile - 1) / TokenBlocks.RowsPerTile;
        var sum = scratch.Floats((long)tiles * lanes);
        var block = new LogitBlock
        {
            Logits = scratch.Floats((long)_output.Rows * lanes),
            LogSumExp = scratch.Floats(lanes),
            TileMaximum = scratch.Floats((long)tiles * lanes),
            RowsPerTile = TokenBlocks.RowsPerTile,
            Rows = _output.Rows,
            Lanes = lanes,
        };
        Multiply(pool, _output, inputs, lanes, block.Logits, _bias is null ? null : _bias.Pointer, _map, block.TileMaximum, sum);
        LinearSoftmax<MatrixShape>.CombineLogSumExp(pool, block.TileMaximum, sum, tiles, lanes, block.LogSumExp);
        return block;
    }

    public LogitBlock ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits)
    {
        if (_projection is not null)
        {
            var projected = scratch.Floats(_projection.Rows);
            var body = new ProjectionBody { Matrix = _projection.View, Input = hidden, Outputs = projected, RowsPerTile = Gemv.RowsPerSmallTile(_projection.Columns) };
            pool.Run(ref body, (_projection.Rows + body.RowsPerTile - 1) / body.RowsPerTile);
            hidden = projected;
        }

        var tiles = (_output.Rows + RowsPerTile - 1) / RowsPerTile;
        var sum = scratch.Floats(tiles);
        var block = new LogitBlock
        {
            Logits = logits,
            LogSumExp = scratch.Floats(1),
            TileMaximum = scratch.Floats(tiles),
            RowsPerTile = RowsPerTile,
            Rows = _output.Rows,
            Lanes = 1,
        };
        var output = new OneTokenBody { Matrix = _output.View, Bias = _bias is null ? null : _bias.Pointer, Map = _map, Input = hidden, Logits = logits, Maximum = block.TileMaximum, Sum = sum, RowsPerTile = RowsPerTile };
        if (output.Matrix.IsWhole) output.Whole = new WholeInput(hidden, _output.Columns, scratch.Shorts(WholeInput.Room(_output.Columns)));
        pool.Run(ref output, tiles);
        LinearSoftmax<MatrixShape>.CombineLogSumExp(pool, block.TileMaximum, sum, tiles, lanes: 1, block.LogSumExp);
        return block;
    }

    public void Dispose()
    {
        _projection?.Dispose();
        _output.Dispose();
        _bias?.Dispose();
    }

    private static void Multiply(WorkerPool pool, QuantizedMatrix weight, float* inputs, int lanes, float* outputs, float* bias, LogitMap map, float* maximum, float* sum)
    {
        var body = new BlockBody { Matrix = weight.View, Inputs = inputs, Lanes = lanes, Outputs = outputs, Bias = bias, Map = map, Maximum = maximum, Sum = sum };
        pool.Run(ref body, (weight.Rows + TokenBlocks.RowsPerTile - 1) / TokenBlocks.RowsPerTile);
    }

    private struct ProjectionBody : IParallelBody
    {
        public QuantizedView Matrix;
        public float* Input, Outputs;
        public int RowsPerTile;

        public readonly void Run(int tile)
        {
            var matrix = Matrix;
            matrix.MultiplyRows(Input, Outputs, tile * RowsPerTile, Math.Min(matrix.Rows, (tile + 1) * RowsPerTile));
        }
    }

    private struct OneTokenBody : IParallelBody
    {
        public QuantizedView Matrix;
        public WholeInput Whole;
        public float* Bias, Input, Logits, Maximum, Sum;
        public LogitMap Map;
        public int RowsPerTile;

        public readonly void Run(int tile)
        {
            var matrix = Matrix;
            var first = tile * RowsPerTile;
            var rows = Math.Min(RowsPerTile, matrix.Rows - first);
            if (matrix.IsWhole) matrix.MultiplyRows(Whole, Logits, first, first + rows);
            else matrix.MultiplyRows(Input, Logits, first, first + rows);
            if (Bias is not null) Vectors.Add(Logits + first, Bias + first, rows);
            Map.Apply(Logits + first, rows);
            Maximum[tile] = SoftmaxKernel.Maximum(Logits + first, rows);
            Sum[tile] = SoftmaxKernel.SumExp(Logits + first, rows, Maximum[tile]);
        }
    }

    private struct BlockBody : IParallelBody
    {
        public QuantizedView Matrix;
        public float* Inputs, Outputs, Bias, Maximum, Sum;
        public LogitMap Map;
        public int Lanes;

        // A tile's weights are widened into memory that stays in the cache, and then used for every lane.
        public readonly void Run(int tile)
        {
            var matrix = Matrix;
            var first = tile * TokenBlocks.RowsPerTile;
            var rows = Math.Min(TokenBlocks.RowsPerTile, matrix.Rows - first);
            var outputs = Outputs + ((nint)first * Lanes);
            for (var row = 0; row < rows && Bias is not null; row++) new Span<float>(outputs + ((nint)row * Lanes), Lanes).Fill(Bias[first + row]);
            var widened = ArrayPool<float>.Shared.Rent(rows * matrix.Columns);
            fixed (float* weights = widened)
            {
                matrix.Widen(first, first + rows, weights);
                Gemm.MultiplyOnThisThread(weights, matrix.Columns, 1, Inputs, Lanes, outputs, Lanes, rows, Lanes, matrix.Columns, accumulate: Bias is not null);
            }

            ArrayPool<float>.Shared.Return(widened);
            Map.Apply(outputs, rows * Lanes);
            if (Maximum is not null) SoftmaxKernel.BlockStatistics(outputs, Lanes, Lanes, rows, Maximum + ((nint)tile * Lanes), Sum + ((nint)tile * Lanes));
        }
    }
}
