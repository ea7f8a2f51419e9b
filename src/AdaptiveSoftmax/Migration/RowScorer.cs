namespace AdaptiveSoftmax;

/// <summary>The log-sum-exp of some rows' scores for many states, in single precision products and bounded memory.</summary>
internal sealed unsafe class RowScorer : IDisposable
{
    private const long ScratchBytes = 1 << 26;

    private readonly Parameter _rows;
    private readonly Parameter? _bias;
    private readonly Parameter? _projection;
    private readonly bool _ownsRows;
    private readonly LinearSoftmax<MatrixShape> _softmax;

    /// <param name="rows">The rows, [n, width].</param>
    /// <param name="bias">A bias, [n]; null for none.</param>
    /// <param name="projection">What states are multiplied by first, [width, hidden]; null for nothing.</param>
    /// <param name="ownsRows">Whether rows and bias are released with this.</param>
    public RowScorer(Parameter rows, Parameter? bias, Parameter? projection, bool ownsRows)
    {
        (_rows, _bias, _projection, _ownsRows) = (rows, bias, projection, ownsRows);
        _softmax = new LinearSoftmax<MatrixShape>(new MatrixShape(rows.Rows, rows.Columns), rows, bias);
    }

    /// <summary>Scores copies of some rows.</summary>
    /// <param name="from">Their matrix, [n, width].</param>
    /// <param name="bias">Its bias, [n]; null for none.</param>
    /// <param name="projection">What states are multiplied by first; null for nothing.</param>
    /// <param name="rows">Which rows.</param>
    public static RowScorer OfRows(Parameter from, Parameter? bias, Parameter? projection, int[] rows) => new(Take(from, rows), TakeBias(bias, rows), projection, ownsRows: true);

    /// <summary>The rows.</summary>
    public int Count => _rows.Rows;

    /// <summary>Computes log Σ exp over the rows, for each state.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="hidden">The states, [count, hidden].</param>
    /// <param name="count">How many.</param>
    /// <param name="results">Receives it, [count].</param>
    /// <param name="cancellationToken">Ends it between two blocks.</param>
    public void LogSumExp(WorkerPool pool, ReadOnlySpan<float> hidden, int count, Span<double> results, CancellationToken cancellationToken = default)
    {
        using var scratch = new Scratch();
        var size = hidden.Length / Math.Max(count, 1);
        var lanesAtOnce = TokenBlocks.BlockSize(Count, ScratchBytes);
        fixed (float* states = hidden)
        {
            for (var first = 0; first < count; first += lanesAtOnce)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = scratch.Begin();
                var block = Forward(pool, scratch, states + ((nint)first * size), Math.Min(lanesAtOnce, count - first), size);
                for (var i = 0; i < Math.Min(lanesAtOnce, count - first); i++) results[first + i] = block.LogSumExp[i];
            }
        }
    }

    /// <summary>The logits of a block of states, [rows, lanes].</summary>
    public LogitBlock Forward(WorkerPool pool, Scratch scratch, float* states, int count, int size)
    {
        var lanes = TokenBlocks.LanesFor(count);
        var inputs = scratch.Floats((long)size * lanes);
        Transpose.Gather(pool, states, null, count, size, inputs, lanes);
        if (_projection is not null)
        {
            var projected = scratch.Floats((long)_projection.Rows * lanes);
            Gemm.Multiply(
                pool, _projection.ValuesPointer, size, 1, inputs, lanes, projected, lanes,
                _projection.Rows, lanes, size, accumulate: false, rowsPerTile: 16, columnsPerTile: 64);
            inputs = projected;
        }

        return _softmax.Forward(pool, scratch, scratch, inputs, lanes, withLogitSum: false);
    }

    public void Dispose()
    {
        if (!_ownsRows) return;
        _rows.Dispose();
        _bias?.Dispose();
    }

    private static Parameter Take(Parameter from, int[] rows)
    {
        var taken = new Parameter("rows", rows.Length, from.Columns);
        for (var i = 0; i < rows.Length; i++) from.Row(rows[i]).CopyTo(taken.WritableRow(i));
        return taken;
    }

    private static Parameter? TakeBias(Parameter? from, int[] rows)
    {
        if (from is null) return null;
        var taken = Parameter.CreateVector("bias", rows.Length);
        taken.Edit(values =>
        {
            for (var i = 0; i < rows.Length; i++) values[i] = from.Values[rows[i]];
        });
        return taken;
    }
}
