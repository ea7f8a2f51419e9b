using System.Numerics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What screening found of the rows of a cluster.</summary>
/// <param name="upper">An upper bound of each float32 logit, [rows].</param>
/// <param name="bound">The largest upper bound of each tile of rows, [tiles].</param>
/// <param name="maximum">The largest approximate logit of each tile, [tiles].</param>
/// <param name="sum">With sums: the sum of exponentials of each tile, [tiles].</param>
/// <param name="errorSum">With sums: the sum of exponentials times error bounds of each tile, [tiles].</param>
/// <param name="norm">The norm of the input.</param>
/// <param name="tiles">The number of tiles.</param>
internal readonly unsafe struct Screening(float* upper, float* bound, float* maximum, float* sum, float* errorSum, float norm, int tiles)
{
    public float* Upper => upper;

    public float* Bound => bound;

    public float* Maximum => maximum;

    public float* Sum => sum;

    public float* ErrorSum => errorSum;

    public float Norm => norm;

    /// <summary>The largest bound of all rows.</summary>
    public float LargestBound => SoftmaxKernel.Maximum(bound, tiles);
}

/// <summary>The head or a tail under certified decoding: its int8 copy and bounds, and the float32 weights themselves.</summary>
internal sealed unsafe class CertifiedCluster : IDisposable
{
    // Past this share of the rows, reading them one by one is not worth it any more.
    private const int RescoredShare = 16;

    // A logit that could be larger is left to the float32 layer, where it may overflow as it does.
    private const double LargestLogit = 1e30;

    private readonly Parameter _weight;
    private readonly Parameter? _bias;
    private readonly Parameter? _projection;
    private readonly QuantizedMatrix _screen;
    private readonly RowErrors _errors;

    public CertifiedCluster(WorkerPool pool, Parameter weight, Parameter? bias, Parameter? projection)
    {
        (_weight, _bias, _projection) = (weight, bias, projection);
        _screen = new QuantizedMatrix(pool, weight, WeightPrecision.Int8);
        _errors = new RowErrors(pool, weight, bias, _screen.View);
        RowsPerTile = Gemv.RowsPerTile(new MatrixShape(weight.Rows, weight.Columns));
        TileCount = (weight.Rows + RowsPerTile - 1) / RowsPerTile;
    }

    public int Rows => _weight.Rows;

    public long Bytes => _screen.Bytes + _errors.Bytes;

    /// <summary>How far the computed sums of exponentials may be from the true ones, relative to them.</summary>
    /// <remarks>
    /// Each sums at most RowsPerTile terms in vectors of at least four lanes; an exponential and its rounded argument are off
    /// by less than 2⁻¹⁷.
    /// </remarks>
    private double SumError => RowErrors.Gamma((RowsPerTile / 4) + 32) + (1.0 / (1 << 17));

    // The float32 path's own tiles, whose sums of exponentials LogSumExp bounds.
    private int RowsPerTile { get; }

    private int TileCount { get; }

    /// <summary>The input of the rows: the hidden vector itself or, in a tail, its projection, with the layer's own bits.</summary>
    public float* Input(WorkerPool pool, Scratch scratch, float* hidden)
    {
        if (_projection is null) return hidden;
        var projected = scratch.Floats(_projection.Rows);
        Gemv.Multiply(pool, new MatrixShape(_projection.Rows, _projection.Columns), _projection.ValuesPointer, hidden, projected);
        return projected;
    }

    /// <summary>Upper bounds of the float32 logits.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="input">The input, [columns].</param>
    /// <param name="withSums">Whether <see cref="LogSumExp"/> will be asked for.</param>
    /// <param name="screening">The bounds.</param>
    /// <returns>Whether the bounds hold: not where weights or input are not finite or so large that logits could overflow.</returns>
    public bool Screen(WorkerPool pool, Scratch scratch, float* input, bool withSums, out Screening screening)
    {
        screening = default;
        var whole = new WholeInput(input, _weight.Columns, scratch.Shorts(WholeInput.Room(_weight.Columns)));
        var norm = RowErrors.Norm(whole);
        var largest = (norm * _errors.LargestNorm) + _errors.LargestBias;
        if (!(largest < LargestLogit) || double.IsInfinity(RowErrors.Gamma(_weight.Columns + 4))) return false;
        var body = new ScreenBody
        {
            Matrix = _screen.View,
            Errors = _errors.Of,
            Bias = _bias is null ? null : _bias.ValuesPointer,
            Input = whole,
            Norm = norm,
            Floor = _errors.Floor,
            Upper = scratch.Floats(_weight.Rows),
            RowsPerTile = RowsPerTile,
            Bound = scratch.Floats(TileCount),
            Maximum = scratch.Floats(TileCount),
            Sum = withSums ? scratch.Floats(TileCount) : null,
            ErrorSum = withSums ? scratch.Floats(TileCount) : null,
        };
        pool.Run(ref body, TileCount);
        screening = new Screening(body.Upper, body.Bound, body.Maximum, body.Sum, body.ErrorSum, norm, TileCount);
        return true;
    }

    /// <summary>Between what the log-sum-exp that float32 computes must lie, from bounds with sums.</summary>
    /// <remarks>
    /// With bounds e_r and approximate logits a_r, Σ exp(a_r) (1 − e_r) ≤ Σ exp(l_r) ≤ Σ exp(a_r) (1 + e_r + e_r²), the right
    /// side for e_r ≤ 1; and in any case the logarithms differ by at most the largest e_r.
    /// </remarks>
    public (double Low, double High) LogSumExp(in Screening screening)
    {
        var maximum = screening.Maximum;
        var top = (double)SoftmaxKernel.Maximum(maximum, TileCount);
        double sum = 0, errorSum = 0;
        for (var tile = 0; tile < TileCount; tile++)
        {
            var factor = Math.Exp(maximum[tile] - top);
            sum += screening.Sum[tile] * factor;
            errorSum += screening.ErrorSum[tile] * factor;
        }

        var error = SumError;
        var largest = (_errors.Largest * (double)screening.Norm) + _errors.Floor;
        var low = top + Math.Log(sum * (1 - (2 * error))) - largest;
        var high = top + Math.Log(sum * (1 + (2 * error))) + largest;
        var least = (sum * (1 - (2 * error))) - (errorSum * (1 + (2 * error)));
        if (least > 0) low = Math.Max(low, top + Math.Log(least));
        if (largest <= 1) high = Math.Min(high, top + Math.Log((sum + (errorSum * (1 + largest))) * (1 + (2 * error))));

        // What float32 computes is off by as much again, and rounded once.
        low -= 2 * error;
        high += 2 * error;
        return (low - (Math.Abs(low) / (1 << 23)), high + (Math.Abs(high) / (1 << 23)));
    }

    /// <summary>The float32 logit of a row, with the layer's own bits.</summary>
    public float Rescore(float* input, int row)
    {
        float logit;
        Gemv.MultiplyRows(new MatrixShape(1, _weight.Columns), _weight.ValuesPointer + ((nint)row * _weight.Columns), input, &logit, 0, 1);
        return _bias is null ? logit : logit + _bias.ValuesPointer[row];
    }

    /// <summary>The largest float32 logit of the first rows and the first row that has it.</summary>
    /// <param name="scratch">Lends the memory of the candidates.</param>
    /// <param name="input">The input.</param>
    /// <param name="screening">The bounds.</param>
    /// <param name="rows">The rows to choose from.</param>
    /// <param name="magnitude">The magnitudes of all but the logit itself that a log-prob is computed from.</param>
    /// <param name="logit">The largest logit.</param>
    /// <param name="row">Its row.</param>
    /// <param name="rescored">Counts the rows that were read.</param>
    /// <returns>False where too many rows are too close, or the choice may hang on the rounding of log-probs.</returns>
    public bool TryFindBest(Scratch scratch, float* input, in Screening screening, int rows, double magnitude, out float logit, out int row, ref long rescored)
    {
        float* upper = screening.Upper, bound = screening.Bound;
        var capacity = (rows / RescoredShare) + RescoredShare;
        var candidates = scratch.Ints(capacity);
        var logits = scratch.Floats(capacity);
        var count = 0;

        // A first logit makes the bar that all others must reach.
        row = LikelyBest(upper, bound, rows);
        logit = Rescore(input, row);
        for (var first = 0; first < rows; first += RowsPerTile)
        {
            if (bound[first / RowsPerTile] < Bar(logit, magnitude)) continue;
            var end = Math.Min(rows, first + RowsPerTile);
            for (var at = NextReaching(upper, first, end, Bar(logit, magnitude)); at < end; at = NextReaching(upper, at + 1, end, Bar(logit, magnitude)))
            {
                if (count == capacity)
                {
                    rescored += count;
                    return false;
                }

                (candidates[count], logits[count]) = (at, Rescore(input, at));
                if (logits[count] > logit || (logits[count] == logit && at < row)) (logit, row) = (logits[count], at);
                count++;
            }
        }

        rescored += count;
        for (var i = 0; i < count; i++)
        {
            if (candidates[i] < row && logits[i] >= Bar(logit, magnitude)) return false;
        }

        return true;
    }

    public void Dispose()
    {
        _screen.Dispose();
        _errors.Dispose();
    }

    // A smaller logit than this has a smaller log-prob, even after rounding; it rises with the logit.
    private static double Bar(float logit, double magnitude) => logit - ((magnitude + (2 * Math.Abs((double)logit))) * 2 * CertifiedSoftmax.Rounding);

    private int LikelyBest(float* upper, float* bound, int rows)
    {
        var tile = 0;
        for (var other = 1; other * RowsPerTile < rows; other++)
        {
            if (bound[other] > bound[tile]) tile = other;
        }

        // In the tile that the last of the rows share with others, the bound may be of one of those.
        var first = tile * RowsPerTile;
        var end = Math.Min(rows, first + RowsPerTile);
        var best = NextReaching(upper, first, end, bound[tile]);
        return best < end ? best : first;
    }

    // The first row whose bound is at least the bar.
    private static int NextReaching(float* upper, int first, int end, double bar)
    {
        // The bar, rounded down, so that no row is lost.
        var least = MathF.BitDecrement((float)bar);
        var at = first;
        for (; at + Vector<float>.Count <= end; at += Vector<float>.Count)
        {
            if (Vector.GreaterThanOrEqualAny(Vector.Load(upper + at), new Vector<float>(least))) break;
        }

        while (at < end && !(upper[at] >= least)) at++;
        return at;
    }

    private struct ScreenBody : IParallelBody
    {
        public QuantizedView Matrix;
        public WholeInput Input;
        public float* Errors, Bias, Upper, Bound, Maximum, Sum, ErrorSum;
        public float Norm, Floor;
        public int RowsPerTile;

        public readonly void Run(int tile)
        {
            var matrix = Matrix;
            var first = tile * RowsPerTile;
            var rows = Math.Min(RowsPerTile, matrix.Rows - first);
            float* logits = Upper + first, errors = Errors + first;
            matrix.MultiplyRows(Input, Upper, first, first + rows);
            if (Bias is not null) Vectors.Add(logits, Bias + first, rows);
            if (Sum is not null)
            {
                Maximum[tile] = SoftmaxKernel.Maximum(logits, rows);
                Sum[tile] = ScreeningKernel.SumExp(logits, errors, Norm, Floor, rows, Maximum[tile], out ErrorSum[tile]);
            }

            Bound[tile] = ScreeningKernel.Raise(logits, errors, Norm, Floor, rows);
        }
    }
}
