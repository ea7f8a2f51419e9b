namespace AdaptiveSoftmax;

// Choices that hang on a sum over all rows, of which only bounds are known: where a nucleus ends, and what a repetition penalty takes.
// They are made where every sum within the bounds makes the same one.
internal sealed unsafe partial class LogitDecoder
{
    // So many rows are read as they are stored for closer bounds of the log-sum-exp.
    private const int LikelyRows = 64;

    // Sums of masses in float64, in another order, differ by less.
    private const double SumRounding = 1e-9;

    // Where a nucleus is looked for first, in nats below the best row, and where it is given up.
    private const double FirstDepth = 4;
    private const double LastDepth = 200;

    private readonly List<double> _highs = [];
    private double _limit;

    private enum Choice
    {
        Made,

        /// <summary>It hangs on rows that were not read.</summary>
        Deeper,

        /// <summary>Two sums within the bounds make two choices.</summary>
        Open,
    }

    // Scores of a source, whose bounds become those of scores; false where they, or wanted log-probs, hang on a log-sum-exp of which
    // bounds say too little.
    private bool TryScore(WorkerPool pool, LogitSource source, DecodeOptions options, TokenHistory? history, out LogitScores scores)
    {
        var (least, most) = ((double)source.LogSumExp, (double)source.LogSumExp);
        scores = default;
        if (source is ScreenedLogits screened && (WantsLogProbs(options) || LogitScores.NeedsLogSumExp(options, history)))
        {
            // Drafts ask before their history is whole.
            if (!screened.MayBoundMasses(isClosest: false) || !TryBoundLogSumExp(pool, screened, out least, out most)) return false;
            if (WantsLogProbs(options) && !screened.TryReport(least, most, options.LogProbError)) return false;
        }

        scores = new LogitScores(source, options, history, least, most);
        scores.Apply();
        return true;
    }

    // Of the log-sum-exp that is computed of the stored weights.
    private bool TryBoundLogSumExp(WorkerPool pool, ScreenedLogits source, out double least, out double most)
    {
        (least, most) = (double.NaN, double.NaN);
        var tiles = (source.Rows + source.RowsPerTile - 1) / source.RowsPerTile;
        if (!_masses.TryBegin(pool, source, SoftmaxKernel.Maximum(source.Bound, tiles), temperature: 1, source.LargestLogit)) return false;
        _likely.Reset(Math.Min(LikelyRows, source.Rows));
        _likely.AddRange(source.Upper, source.Rows, firstSlot: 0);
        _found.Clear();
        var largest = double.NegativeInfinity;
        foreach (var key in _likely.Keys)
        {
            var logit = source.Logit(ScoreKey.Slot(key));
            _found.Add(new ScoredRow(ScoreKey.Slot(key), logit, logit, logit));
            largest = Math.Max(largest, logit);
        }

        var (low, high) = _masses.Total(Found, default);
        least = Math.Max(largest, _masses.Reference + Math.Log(low)) - (2 * source.SumError);
        most = _masses.Reference + Math.Log(high) + (2 * source.SumError);
        (least, most) = (least - (Math.Abs(least) / (1 << 22)), most + (Math.Abs(most) / (1 << 22)));
        return double.IsFinite(least) && double.IsFinite(most);
    }

    // With a filter.
    private bool TryDrawBounded(WorkerPool pool, ScreenedLogits source, in LogitScores scores, DecodeOptions options, GumbelNoise noise)
    {
        var temperature = (double)options.Temperature;
        var largest = source.LargestLogit + scores.LargestShift;
        if (!Search(source, scores, Math.Max(1, options.TopK), double.NegativeInfinity, null, 0, isRanked: false)) return false;
        if (_found.Count == 0) return true;
        var best = _found[0].Low;
        if (options.TopP >= 1 || options.TopK > 0)
        {
            if (options.TopK == 0 && !Search(source, scores, 0, best + (temperature * Math.Log(options.MinP)), null, 0, isRanked: false)) return false;
            if (options.TopP < 1 && !_masses.TryBegin(best, temperature, largest)) return false;
            return Choose(scores, options, noise, isNucleusOfAll: false) == Choice.Made;
        }

        if (!_masses.TryBegin(pool, source, best, temperature, largest)) return false;
        for (var (depth, tries) = (FirstDepth, 0); depth < LastDepth && tries < 2; depth *= 2)
        {
            // Of more rows than are read one by one, none is read.
            var limit = best - (depth * temperature);
            if (IsReachedByMany(source, limit) || !Search(source, scores, 0, limit, null, 0, isRanked: false)) return false;
            var choice = Choose(scores, options, noise, isNucleusOfAll: true);
            if (choice == Choice.Made) return true;
            if (choice == Choice.Open) tries++;
        }

        return false;
    }

    private static bool IsReachedByMany(ScreenedLogits source, double limit)
    {
        var (count, most) = (0, Capacity(source.Rows));
        for (var first = 0; first < source.Rows; first += source.RowsPerTile)
        {
            if (source.Bound[first / source.RowsPerTile] < limit) continue;
            var end = Math.Min(source.Rows, first + source.RowsPerTile);
            for (var at = NextReaching(source.Upper, first, end, limit); at < end; at = NextReaching(source.Upper, at + 1, end, limit))
            {
                if (++count > most) return true;
            }
        }

        return false;
    }

    // What was found has every row that reaches the limit.
    private Choice Choose(in LogitScores scores, DecodeOptions options, GumbelNoise noise, bool isNucleusOfAll)
    {
        // No row below it is left by the filters, whatever the sums.
        var possible = double.NegativeInfinity;
        if (options.TopK > 0 && _found.Count > options.TopK) possible = _found[options.TopK - 1].Low;
        var least = double.PositiveInfinity;
        if (options.TopP < 1)
        {
            var (most, isReached) = (0.0, false);
            var sure = options.TopK > 0 ? HighOf(options.TopK) : double.NegativeInfinity;
            if (isNucleusOfAll) (least, most) = _masses.Total(Found, scores);
            else (least, most) = MassesOfTopK(possible, sure);
            least *= options.TopP * (1 - (2 * _masses.Error));
            most *= options.TopP * (1 + (2 * _masses.Error));
            var sum = 0.0;
            foreach (var row in Found)
            {
                if (options.TopK > 0 && !(row.Low > sure)) continue;
                sum += _masses.Of(row.Low);
                if (sum * (1 - SumRounding) < most) continue;
                (possible, isReached) = (Math.Max(possible, row.Low), true);
                break;
            }

            if (isNucleusOfAll && (!isReached || possible < _limit)) return Choice.Deeper;
        }

        var cut = options.MinP > 0 ? options.Temperature * Math.Log(options.MinP) : double.NegativeInfinity;
        possible = Math.Max(possible, _found[0].Low + cut);
        var drawn = Drawn(possible, noise, options.Temperature);
        if (drawn.Low < _limit) return Choice.Open;

        // It must be left by the filters, and the best there, whatever the sums.
        var (above, mass) = (0, 0.0);
        var value = drawn.Plus(options.Temperature * noise.Of(drawn.Row));
        foreach (var row in Found)
        {
            if (row.Row == drawn.Row) continue;
            if (drawn.Low < row.High + cut) return Choice.Open;
            if (row.High >= possible && !IsBelow(scores, row.Plus(options.Temperature * noise.Of(row.Row)), value)) return Choice.Open;
            if (IsBelow(scores, row, drawn)) continue;
            above++;
            if (options.TopP < 1) mass += _masses.Of(row.High);
        }

        if (options.TopK > 0 && above >= options.TopK) return Choice.Open;
        if (above > 0 && options.TopP < 1 && !(mass * (1 + SumRounding) < least)) return Choice.Open;
        _found[0] = drawn;
        Keep(1);
        return Choice.Made;
    }

    // Of the rows that are among the k best for sure, and of those that may be.
    private (double Least, double Most) MassesOfTopK(double possible, double sure)
    {
        var (least, most) = (0.0, 0.0);
        foreach (var row in Found)
        {
            if (row.Low > sure) least += _masses.Of(row.Low);
            if (row.High >= possible) most += _masses.Of(row.High);
        }

        return (least * (1 - SumRounding), most * (1 + SumRounding));
    }

    // The upper bound of which so many are not below; −∞ where there are no more.
    private double HighOf(int count)
    {
        if (_found.Count <= count) return double.NegativeInfinity;
        _highs.Clear();
        foreach (var row in _found) _highs.Add(row.High);
        _highs.Sort();
        return _highs[^(count + 1)];
    }

    // The row that is drawn if bounds are what scores are.
    private ScoredRow Drawn(double possible, GumbelNoise noise, double temperature)
    {
        var (best, at) = (double.NegativeInfinity, 0);
        for (var i = 0; i < _found.Count; i++)
        {
            if (_found[i].High < possible) continue;
            var value = _found[i].High + (temperature * noise.Of(_found[i].Row));
            if (value > best || (value == best && _found[i].Row < _found[at].Row)) (best, at) = (value, i);
        }

        return _found[at];
    }

    // Whether the first rows are the best ones in this order, whatever the sums.
    private bool IsRanked(in LogitScores scores, int count)
    {
        var highest = double.NegativeInfinity;
        for (var i = _found.Count - 1; i >= 0; i--)
        {
            // All behind it are below it, where the highest of them is.
            for (var k = i + 1; i < count && highest >= _found[i].Low && k < _found.Count; k++)
            {
                if (!IsBelow(scores, _found[k], _found[i])) return false;
            }

            highest = Math.Max(highest, _found[i].High);
        }

        return true;
    }

    // Scores that hang on the same log-sum-exp rise and fall together.
    private static bool IsBelow(in LogitScores scores, in ScoredRow row, in ScoredRow other)
    {
        if (row.Low == row.High && other.Low == other.High) return row.CompareTo(other) > 0;
        return scores.IsOpen(row.Row) && scores.IsOpen(other.Row)
            ? other.Low + other.High - (row.Low + row.High) > 8 * scores.Margin
            : row.High < other.Low;
    }
}
