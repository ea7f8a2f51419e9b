using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What a search among screened rows found.</summary>
internal enum ScreenOutcome
{
    /// <summary>The best row.</summary>
    Found,

    /// <summary>So many rows passed the first copy that reading the next one from end to end is less work.</summary>
    TooMany,

    /// <summary>Too many rows are too close, or the choice may hang on the rounding of log-probs.</summary>
    Open,
}

/// <summary>The head or a tail under certified decoding: smaller copies and bounds, the coarsest first, and the stored weights themselves.</summary>
internal sealed unsafe class CertifiedCluster : IDisposable
{
    // Past this share of the rows, reading them one by one is not worth it any more.
    private const int RescoredShare = 16;

    // A logit that could be larger is left to the stored weights, where it may overflow as it does.
    private const double LargestLogit = 1e30;

    // From so many inputs on products take longer than memory, and those of int8 are quicker.
    private const int BlockInputs = 3;

    // How many predictions pass before a copy that left too many rows is tried again.
    private const int Patience = 64;

    private readonly StoredRows _rows;
    private readonly StoredRows? _projection;
    private readonly IReadOnlyList<RowScreen> _screens;
    private readonly bool _isBorrowed;
    private int _skips;

    /// <summary>Makes the copies.</summary>
    public CertifiedCluster(WorkerPool pool, StoredRows rows, StoredRows? projection, params ReadOnlySpan<WeightPrecision> screens)
        : this(rows, projection, Screen(pool, rows, screens), isBorrowed: false)
    {
    }

    /// <summary>Takes copies that are there, and stay somebody else's where they are borrowed.</summary>
    public CertifiedCluster(StoredRows rows, StoredRows? projection, IReadOnlyList<RowScreen> screens, bool isBorrowed)
    {
        (_rows, _projection, _screens, _isBorrowed) = (rows, projection, screens, isBorrowed);
        RowsPerTile = Gemv.RowsPerTile(new MatrixShape(rows.Rows, rows.Columns));
        TileCount = (rows.Rows + RowsPerTile - 1) / RowsPerTile;
    }

    /// <summary>What becomes of logits; bounds and stored logits are mapped ones everywhere.</summary>
    public LogitMap Map { get; init; }

    public int Rows => _rows.Rows;

    /// <summary>The stored weights as a file has them.</summary>
    public QuantizedCluster Stored => new(_projection?.Matrix, _rows.Matrix, _rows.BiasMemory);

    /// <summary>The precision of the stored weights.</summary>
    public WeightPrecision StoredPrecision => _rows.Matrix.Precision;

    /// <summary>The copies, the coarsest first.</summary>
    public IReadOnlyList<RowScreen> Screens => _screens;

    public long Bytes => _screens.Sum(screen => screen.Bytes);

    /// <summary>The copies.</summary>
    public int Stages => _screens.Count;

    /// <summary>Whether all weights are finite.</summary>
    public bool IsFinite => double.IsFinite(_screens[0].Errors.LargestNorm + _screens[0].Errors.LargestBias);

    /// <summary>Whether a block of inputs begins with the last copy.</summary>
    public bool IsAutomatic { get; init; }

    /// <summary>The copy that a search for a block of inputs begins with.</summary>
    public int FirstStageOf(int inputs) => IsAutomatic && inputs >= BlockInputs ? _screens.Count - 1 : FirstStage;

    /// <summary>The copy that a search begins with, by what the last ones left.</summary>
    public int FirstStage
    {
        get
        {
            if (_screens.Count == 1 || _skips == 0) return 0;
            _skips--;
            return 1;
        }
    }

    /// <summary>How far the computed sums of exponentials may be from the true ones, relative to them.</summary>
    /// <remarks>
    /// Each sums at most RowsPerTile terms in vectors of at least four lanes, or those of a tile of a block one after the other; an
    /// exponential and its rounded argument are off by less than 2⁻¹⁷.
    /// </remarks>
    public double SumError => Roundings.Gamma(Math.Max(RowsPerTile / 4, TokenBlocks.RowsPerTile) + 32) + (1.0 / (1 << 17));

    /// <summary>How far below its bounds logits may be.</summary>
    public ScreenErrors Errors(in Screening screening) =>
        screening.Upper is null ? default : new((nint)_screens[screening.Stage].Errors.Of, screening.Norm, _screens[screening.Stage].Errors.Floor);

    // The stored path's own tiles, whose sums of exponentials LogSumExp bounds.
    public int RowsPerTile { get; }

    private int TileCount { get; }

    /// <summary>The input of the rows: the hidden vector itself or, in a tail, its projection, with the stored weights' own bits.</summary>
    public float* Input(WorkerPool pool, Scratch scratch, float* hidden)
    {
        if (_projection is null) return hidden;
        var projected = scratch.Floats(_projection.Rows);
        _projection.Multiply(pool, hidden, projected);
        return projected;
    }

    /// <summary>Upper bounds of the stored logits.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="input">The input, [columns].</param>
    /// <param name="stage">The copy to read.</param>
    /// <param name="withSums">Whether <see cref="LogSumExp"/> will be asked for.</param>
    /// <param name="screening">The bounds.</param>
    /// <param name="counts">Counts the rows.</param>
    /// <returns>Whether the bounds hold: not where weights or input are not finite or so large that logits could overflow.</returns>
    public bool Screen(WorkerPool pool, Scratch scratch, float* input, int stage, bool withSums, out Screening screening, ref ScreenCounts counts)
    {
        if (!TryPrepare(scratch, input, stage, withSums, out var prepared))
        {
            screening = default;
            return false;
        }

        Screen(pool, &prepared, 1, ref counts);
        screening = prepared;
        return true;
    }

    /// <summary>Takes an input in, and lends the memory of its bounds.</summary>
    public bool TryPrepare(Scratch scratch, float* input, int stage, bool withSums, out Screening screening)
    {
        screening = default;

        // The errors of mapped logits are not those of the products, which the sums take.
        if (withSums && Map.IsSet) return false;
        var columns = _rows.Columns;
        var errors = _screens[stage].Errors;
        var whole = new WholeInput(input, columns, scratch.Shorts(WholeInput.Room(columns)));
        var norm = RowErrors.Norm(whole);
        var largest = (norm * errors.LargestNorm) + errors.LargestBias;
        if (!(largest < LargestLogit) || double.IsInfinity(Roundings.Gamma(columns + 4))) return false;
        screening = new Screening
        {
            Input = input,
            Whole = whole,
            Norm = norm,
            Stage = stage,
            Upper = scratch.Floats(Rows),
            Bound = scratch.Floats(TileCount),
            Maximum = withSums ? scratch.Floats(TileCount) : null,
            Sum = withSums ? scratch.Floats(TileCount) : null,
            ErrorSum = withSums ? scratch.Floats(TileCount) : null,
            Tiles = TileCount,
            LargestLogit = Map.Largest(largest),
        };
        return true;
    }

    /// <summary>Takes in the inputs of a block, and bounds their logits.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends the memory of the bounds.</param>
    /// <param name="inputs">Inputs, [any, columns].</param>
    /// <param name="members">Which of them.</param>
    /// <param name="stage">The copy to read.</param>
    /// <param name="counts">Counts the rows.</param>
    /// <returns>The bounds, [members]; an input whose bounds do not hold has none.</returns>
    public Screening* ScreenBlock(WorkerPool pool, Scratch scratch, float* inputs, ReadOnlySpan<int> members, int stage, ref ScreenCounts counts)
    {
        var screenings = (Screening*)scratch.Floats((long)members.Length * sizeof(Screening) / sizeof(float) + 1);
        var ready = (Screening*)scratch.Floats((long)members.Length * sizeof(Screening) / sizeof(float) + 1);
        var widened = scratch.Floats(_rows.Columns);
        var held = 0;
        for (var i = 0; i < members.Length; i++)
        {
            if (!TryPrepare(scratch, inputs + ((nint)members[i] * _rows.Columns), stage, withSums: false, out screenings[i])) continue;
            screenings[i].Widened = widened;
            ready[held++] = screenings[i];
        }

        if (held > 0) Screen(pool, ready, held, ref counts);
        return screenings;
    }

    /// <summary>Bounds of several inputs of the same stage, for which the rows are read once.</summary>
    public void Screen(WorkerPool pool, Screening* screenings, int count, ref ScreenCounts counts)
    {
        var screen = _screens[screenings->Stage];
        var body = new ScreenBody
        {
            Matrix = screen.View,
            Errors = screen.Errors.Of,
            Bias = _rows.Bias,
            Floor = screen.Errors.Floor,
            Screenings = screenings,
            Count = count,
            RowsPerTile = RowsPerTile,
            Map = Map,
        };
        pool.Run(ref body, TileCount);
        counts.Screened += (long)count * Rows;
        counts.Add(screen.Precision, (long)count * Rows);
    }

    /// <summary>Between what the log-sum-exp that is computed of the stored weights must lie, from bounds with sums.</summary>
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
        var errors = _screens[screening.Stage].Errors;
        var largest = (errors.Largest * (double)screening.Norm) + errors.Floor;
        var low = top + Math.Log(sum * (1 - (2 * error))) - largest;
        var high = top + Math.Log(sum * (1 + (2 * error))) + largest;
        var least = (sum * (1 - (2 * error))) - (errorSum * (1 + (2 * error)));
        if (least > 0) low = Math.Max(low, top + Math.Log(least));
        if (largest <= 1) high = Math.Min(high, top + Math.Log((sum + (errorSum * (1 + largest))) * (1 + (2 * error))));

        // What is computed of the stored weights is off by as much again, and rounded once.
        low -= 2 * error;
        high += 2 * error;
        return (low - (Math.Abs(low) / (1 << 23)), high + (Math.Abs(high) / (1 << 23)));
    }

    /// <summary>A row's bound by the copies behind the one that was screened, where there are some.</summary>
    public float Refine(in Screening screening, int row, ref ScreenCounts counts)
    {
        if (screening.Stage + 1 >= _screens.Count) return float.PositiveInfinity;
        var screen = _screens[screening.Stage + 1];
        counts.Add(screen.Precision, 1);
        var upper = screen.Upper(screening.Whole, screening.Norm, _rows.Bias, row);
        Map.ApplyToBounds(&upper, 1);
        return upper;
    }

    /// <summary>The stored logit of a row, with the bits that a decoder of these weights computes.</summary>
    public float Rescore(in Screening screening, int row) =>
        Map.Apply(screening.Widened is null ? _rows.Logit(screening.Input, row) : _rows.BlockLogit(screening.Input, row, screening.Widened));

    /// <summary>The largest stored logit of the first rows and the first row that has it.</summary>
    /// <param name="scratch">Lends the memory of the candidates.</param>
    /// <param name="screening">The bounds.</param>
    /// <param name="rows">The rows to choose from.</param>
    /// <param name="magnitude">The magnitudes of all but the logit itself that a log-prob is computed from.</param>
    /// <param name="logit">The largest logit.</param>
    /// <param name="row">Its row.</param>
    /// <param name="counts">Counts the rows that were read.</param>
    public ScreenOutcome FindBest(Scratch scratch, in Screening screening, int rows, double magnitude, out float logit, out int row, ref ScreenCounts counts)
    {
        float* upper = screening.Upper, bound = screening.Bound;
        var capacity = (rows / RescoredShare) + RescoredShare;
        var candidates = scratch.Ints(capacity);
        var logits = scratch.Floats(capacity);
        var (count, passed) = (0, 0);

        // A first logit makes the bar that all others must reach.
        row = LikelyBest(upper, bound, rows);
        logit = Rescore(screening, row);
        for (var first = 0; first < rows; first += RowsPerTile)
        {
            if (bound[first / RowsPerTile] < Bar(logit, magnitude)) continue;
            var end = Math.Min(rows, first + RowsPerTile);
            for (var at = NextReaching(upper, first, end, Bar(logit, magnitude)); at < end; at = NextReaching(upper, at + 1, end, Bar(logit, magnitude)))
            {
                if (++passed > capacity && screening.Stage + 1 < _screens.Count)
                {
                    counts.Rescored += count;
                    Skip();
                    return ScreenOutcome.TooMany;
                }

                if (Refine(screening, at, ref counts) < Bar(logit, magnitude)) continue;
                if (count == capacity)
                {
                    counts.Rescored += count;
                    return ScreenOutcome.Open;
                }

                (candidates[count], logits[count]) = (at, Rescore(screening, at));
                if (logits[count] > logit || (logits[count] == logit && at < row)) (logit, row) = (logits[count], at);
                count++;
            }
        }

        counts.Rescored += count;
        for (var i = 0; i < count; i++)
        {
            if (candidates[i] < row && logits[i] >= Bar(logit, magnitude)) return ScreenOutcome.Open;
        }

        return ScreenOutcome.Found;
    }

    /// <summary>Has the next searches begin at the second copy, since the first one left too many rows.</summary>
    public void Skip() => _skips = Patience;

    public void Dispose()
    {
        if (_isBorrowed) return;
        foreach (var screen in _screens) screen.Dispose();
    }

    private static RowScreen[] Screen(WorkerPool pool, StoredRows rows, ReadOnlySpan<WeightPrecision> precisions)
    {
        var screens = new RowScreen[precisions.Length];
        for (var i = 0; i < screens.Length; i++) screens[i] = new RowScreen(pool, rows, precisions[i]);
        return screens;
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

    // The bar is rounded down, so that no row is lost.
    private static int NextReaching(float* upper, int first, int end, double bar) => ScreeningKernel.NextReaching(upper, first, end, MathF.BitDecrement((float)bar));

    private struct ScreenBody : IParallelBody
    {
        public QuantizedView Matrix;
        public Screening* Screenings;
        public float* Errors, Bias;
        public float Floor;
        public int Count, RowsPerTile;
        public LogitMap Map;

        // A tile's rows stay in the cache for all inputs.
        public readonly void Run(int tile)
        {
            var matrix = Matrix;
            var first = tile * RowsPerTile;
            var rows = Math.Min(RowsPerTile, matrix.Rows - first);
            var errors = Errors + first;
            for (var screening = Screenings; screening < Screenings + Count; screening++)
            {
                var logits = screening->Upper + first;
                matrix.MultiplyRows(screening->Whole, screening->Upper, first, first + rows);
                if (Bias is not null) Vectors.Add(logits, Bias + first, rows);
                if (screening->Sum is not null)
                {
                    screening->Maximum[tile] = SoftmaxKernel.Maximum(logits, rows);
                    screening->Sum[tile] = ScreeningKernel.SumExp(logits, errors, screening->Norm, Floor, rows, screening->Maximum[tile], out screening->ErrorSum[tile]);
                }

                screening->Bound[tile] = ScreeningKernel.Raise(logits, errors, screening->Norm, Floor, rows);
                if (!Map.IsSet) continue;
                Map.ApplyToBounds(logits, rows);
                screening->Bound[tile] = SoftmaxKernel.Maximum(logits, rows);
            }
        }
    }
}
