using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>
/// Chooses tokens of a softmax without tails by their logits alone, so that no normaliser is needed: the best ones by bounds, and
/// draws as the largest sum of score and Gumbel noise. The result is the same whatever the bounds, as long as they hold.
/// </summary>
internal sealed unsafe partial class LogitDecoder
{
    // Past this share of the rows, reading them one by one is not worth it any more.
    private const int CandidateShare = 16;

    // Bounds are sums of a few float32 numbers; so much of their magnitudes is more than these roundings lose.
    private const double Rounding = 1.0 / (1 << 20);

    // And so much what they lose where products are subnormal.
    private const double SubnormalRounding = 8.0 * float.Epsilon;

    // Above, products of noise and temperature leave float32.
    private const float LargestTemperature = 1e25f;

    private readonly TopList _likely = new();
    private readonly MassBounds _masses = new();
    private readonly List<ScoredRow> _found = [];
    private double[] _blocks = [];

    /// <summary>A row, its logit, and between what lies what it is compared by; the same twice where that is known.</summary>
    public readonly record struct ScoredRow(int Row, float Logit, double Low, double High) : IComparable<ScoredRow>
    {
        /// <summary>What it is compared by, where that is known.</summary>
        public double Value => Low;

        /// <summary>The row with more to its value.</summary>
        public ScoredRow Plus(double value) => this with { Low = Low + value, High = High + value };

        // The best first: of equal ones the lower slot.
        public int CompareTo(ScoredRow other) => Low != other.Low ? other.Low.CompareTo(Low) : Row.CompareTo(other.Row);
    }

    /// <summary>What was found, best first.</summary>
    public ReadOnlySpan<ScoredRow> Found => CollectionsMarshal.AsSpan(_found);

    /// <summary>Whether bounds can decide: else all logits must be computed.</summary>
    /// <param name="options">The options.</param>
    /// <param name="count">How many of the best rows are wanted, for which each of these is read; 0 for a draw.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="wantsDraw">Whether a token is to be drawn.</param>
    public static bool MayBeBounded(DecodeOptions options, int count, int rows, bool wantsDraw) =>
        options.LogProbError > 0 && Math.Min(rows, wantsDraw ? options.TopK : count) <= Capacity(rows) && (!wantsDraw || options.Temperature <= LargestTemperature);

    /// <summary>Whether a choice or its log-prob hangs on a sum over all rows, which bounds must bound as well.</summary>
    /// <param name="options">The options.</param>
    /// <param name="history">The tokens so far.</param>
    /// <param name="wantsDraw">Whether a token is to be drawn.</param>
    public static bool NeedsMasses(DecodeOptions options, TokenHistory? history, bool wantsDraw) =>
        LogitScores.NeedsLogSumExp(options, history) || WantsLogProbs(options) || NeedsNucleus(options, wantsDraw);

    /// <summary>Whether that sum decides where a nucleus ends.</summary>
    /// <param name="options">The options.</param>
    /// <param name="wantsDraw">Whether a token is to be drawn.</param>
    public static bool NeedsNucleus(DecodeOptions options, bool wantsDraw) => wantsDraw && options.TopP < 1 && options.TopK == 0 && options.Temperature > 0;

    /// <summary>Whether that sum makes a log-prob.</summary>
    public static bool WantsLogProbs(DecodeOptions options) => !float.IsPositiveInfinity(options.LogProbError);

    /// <summary>Finds the best rows by score.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="source">The logits.</param>
    /// <param name="options">Penalties, biases and mask.</param>
    /// <param name="history">The tokens so far, for penalties.</param>
    /// <param name="count">How many are wanted.</param>
    /// <returns>False where too many rows are too close for bounds.</returns>
    public bool TryFindBest(WorkerPool pool, LogitSource source, DecodeOptions options, TokenHistory? history, int count)
    {
        if (!TryScore(pool, source, options, history, out var scores)) return false;
        _found.Clear();
        return count == 0 || Search(source, scores, count, double.NegativeInfinity, noise: null, temperature: 0);
    }

    /// <summary>Draws a row; nothing is found where no token is allowed.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="source">The logits.</param>
    /// <param name="options">The options.</param>
    /// <param name="history">The tokens so far, for penalties.</param>
    /// <param name="random">The random numbers.</param>
    /// <returns>False where too many rows are too close for bounds.</returns>
    public bool TryDraw(WorkerPool pool, LogitSource source, DecodeOptions options, TokenHistory? history, SampleRandom random)
    {
        if (!TryScore(pool, source, options, history, out var scores)) return false;
        var temperature = options.Temperature;
        if (temperature == 0) return Search(source, scores, 1, double.NegativeInfinity, null, 0);

        var noise = random.Noise;
        if (options.TopK == 0 && options.TopP >= 1 && options.MinP == 0)
        {
            if (temperature > LargestTemperature)
            {
                DrawFromAll(source, scores, noise, temperature);
                return true;
            }

            var body = new NoiseBody { Noise = noise, Upper = source.Upper, Bound = source.Bound, Rows = source.Rows, RowsPerTile = source.RowsPerTile, Temperature = temperature };
            pool.Run(ref body, (source.Rows + source.RowsPerTile - 1) / source.RowsPerTile);
            return Search(source, scores, 1, double.NegativeInfinity, noise, temperature);
        }

        if (source is ScreenedLogits screened && (scores.HasIntervals || NeedsNucleus(options, wantsDraw: true))) return TryDrawBounded(pool, screened, scores, options, noise);
        if (!TryFilter(source, scores, options)) return false;
        for (var i = 0; i < _found.Count; i++) _found[i] = _found[i].Plus(temperature * noise.Of(_found[i].Row));
        _found.Sort();
        return true;
    }

    // Top-k, then top-p, then min-p, best first.
    private bool TryFilter(LogitSource source, in LogitScores scores, DecodeOptions options)
    {
        var temperature = (double)options.Temperature;
        if (options.TopK > 0)
        {
            if (!Search(source, scores, options.TopK, double.NegativeInfinity, null, 0)) return false;
            if (_found.Count == 0) return true;
            if (options.TopP < 1) Keep(Nucleus(options.TopP * Masses(temperature), temperature));
        }
        else
        {
            if (!Search(source, scores, 1, double.NegativeInfinity, null, 0)) return false;
            if (_found.Count == 0) return true;
            var best = _found[0].Value;
            var limit = options.MinP > 0 ? best + (temperature * Math.Log(options.MinP)) : double.NegativeInfinity;
            if (options.TopP >= 1) return Search(source, scores, 0, limit, null, 0);
            FindNucleus(source, scores, options.TopP, best, temperature);
        }

        if (options.MinP > 0)
        {
            var limit = _found[0].Value + (temperature * Math.Log(options.MinP));
            var count = _found.Count;
            while (count > 1 && _found[count - 1].Value < limit) count--;
            Keep(count);
        }

        return true;
    }

    // Of logits that were all computed. The nucleus seldom reaches far below the best token.
    private void FindNucleus(LogitSource source, in LogitScores scores, double topP, double best, double temperature)
    {
        var inverse = MathF.Min((float)(1 / temperature), float.MaxValue);
        var count = TemperedMass.BlockCount(source.Rows);
        if (_blocks.Length < count) _blocks = new double[count];
        double mass;
        fixed (double* sums = _blocks) mass = TemperedMass.Sum(source.Upper, source.Rows, (float)best, inverse, sums);
        for (var depth = 4.0; ; depth *= 2)
        {
            Search(source, scores, 0, depth > 200 ? double.NegativeInfinity : best - (depth * temperature), null, 0);
            var kept = Nucleus(topP * mass, temperature);
            if (kept < _found.Count || depth > 200)
            {
                Keep(kept);
                return;
            }
        }
    }

    private double Masses(double temperature)
    {
        var sum = 0.0;
        foreach (var row in _found) sum += Math.Exp((row.Value - _found[0].Value) / temperature);
        return sum;
    }

    // The fewest rows whose masses reach the target.
    private int Nucleus(double target, double temperature)
    {
        var sum = 0.0;
        for (var i = 0; i < _found.Count; i++)
        {
            sum += Math.Exp((_found[i].Value - _found[0].Value) / temperature);
            if (sum >= target) return i + 1;
        }

        return _found.Count;
    }

    private void Keep(int count) => _found.RemoveRange(count, _found.Count - count);

    // The best rows by value, or with a count of 0 all that reach the limit; best first. Where values are known by bounds, all that may
    // be among them, unless they are to be ranked.
    private bool Search(LogitSource source, in LogitScores scores, int count, double limit, GumbelNoise? noise, double temperature, bool isRanked = true)
    {
        _found.Clear();
        var rows = source.Rows;
        count = Math.Min(count, rows);
        var capacity = source is ComputedLogits ? rows : Capacity(rows) + count;
        var slack = (((2 * source.LargestLogit) + (2 * scores.LargestShift) + (2 * GumbelNoise.Largest * temperature)) * Rounding) + SubnormalRounding;
        if (count > 0)
        {
            // The rows with the highest bounds make the bar that all others must reach.
            _likely.Reset(count);
            _likely.AddRange(source.Upper, rows, firstSlot: 0);
            if (_likely.Count < count) count = _likely.Count;
            limit = double.PositiveInfinity;
            foreach (var key in _likely.Keys) limit = Math.Min(limit, Value(ScoreKey.Slot(key), source.Logit(ScoreKey.Slot(key)), scores, noise, temperature).Low);
            if (count == 0) return true;
        }

        for (var first = 0; first < rows; first += source.RowsPerTile)
        {
            if (source.Bound[first / source.RowsPerTile] < limit - slack) continue;
            var end = Math.Min(rows, first + source.RowsPerTile);
            for (var at = NextReaching(source.Upper, first, end, limit - slack); at < end; at = NextReaching(source.Upper, at + 1, end, limit - slack))
            {
                if (Value(at, source.Refine(at), scores, noise, temperature).High < limit) continue;
                var row = Value(at, source.Logit(at), scores, noise, temperature);
                if (row.High < limit) continue;
                if (_found.Count == capacity) return false;
                _found.Add(row);
                if (count == 1) limit = Math.Max(limit, row.Low);
            }
        }

        _found.Sort();
        _limit = limit;
        if (scores.HasIntervals && (!isRanked || !IsRanked(scores, count))) return !isRanked;
        if (count > 0 && _found.Count > count) Keep(count);
        return true;
    }

    private static int Capacity(int rows) => (rows / CandidateShare) + CandidateShare;

    // At temperatures whose noise float32 does not hold.
    private void DrawFromAll(LogitSource source, in LogitScores scores, GumbelNoise noise, double temperature)
    {
        _found.Clear();
        for (var row = 0; row < source.Rows; row++)
        {
            if (source.Upper[row] == float.NegativeInfinity) continue;
            var drawn = Value(row, source.Logit(row), scores, noise, temperature);
            if (_found.Count == 0) _found.Add(drawn);
            else if (drawn.CompareTo(_found[0]) < 0) _found[0] = drawn;
        }
    }

    private static ScoredRow Value(int row, float logit, in LogitScores scores, GumbelNoise? noise, double temperature)
    {
        var (low, high) = scores.Bounds(row, logit);
        var value = new ScoredRow(row, logit, low, high);
        return noise is null ? value : value.Plus(temperature * noise.Value.Of(row));
    }

    // The bar is rounded down, so that no row is lost; rows that may not be chosen, whose bound is −∞, reach none.
    private static int NextReaching(float* upper, int first, int end, double bar) =>
        ScreeningKernel.NextReaching(upper, first, end, MathF.Max(MathF.BitDecrement((float)bar), float.MinValue));

    private struct NoiseBody : IParallelBody
    {
        public GumbelNoise Noise;
        public float* Upper, Bound;
        public int Rows, RowsPerTile;
        public float Temperature;

        public readonly void Run(int tile)
        {
            var first = tile * RowsPerTile;
            Bound[tile] = Noise.Raise(Upper + first, first, Math.Min(RowsPerTile, Rows - first), Temperature);
        }
    }
}
