namespace AdaptiveSoftmax;

/// <summary>Bounds of a dense head's logits from its smaller copies, the coarsest first.</summary>
internal sealed unsafe class CertifiedLogits(CertifiedSoftmax softmax, CertifiedCluster head) : ScreenedLogits
{
    // What a reported log-prob is rounded by, relative to what it is computed from.
    private const double Rounding = 1.0 / (1 << 22);

    // How many calls pass before sums that were not close enough are tried again.
    private const int Patience = 64;

    private Screening _screening;
    private ScreenCounts _counts;
    private Screening* _block;
    private double _middle;
    private float _sumError;
    private int _sumStage;
    private int _sumSkips;
    private int _massFailures;
    private int _massSkips;
    private bool _isClosest;

    public override bool MayBoundMasses(bool isClosest)
    {
        // The errors of mapped logits are not those of the products.
        if (head.Map.IsSet) return false;
        if (!isClosest || _massSkips == 0) return true;
        _massSkips--;
        return false;
    }

    public override bool TryBegin(Scratch scratch, float* hidden, float logProbError, bool isFirst, bool isClosest)
    {
        softmax.ThrowIfChanged();
        if (isFirst) _counts = default;
        else head.Skip();
        _isClosest = isClosest;
        var withSums = !float.IsPositiveInfinity(logProbError);
        if (withSums && _sumError != logProbError) (_sumError, _sumStage, _sumSkips) = (logProbError, 0, 0);
        if (withSums && _sumSkips > 0)
        {
            _sumSkips--;
            return false;
        }

        // Sums that were too far off once are not computed each time.
        var first = !isFirst ? _screening.Stage + 1 : isClosest ? head.Stages - 1 : Math.Max(head.FirstStage, withSums ? _sumStage : 0);
        for (var stage = first; stage < head.Stages; stage++)
        {
            if (!head.Screen(softmax.Pool, scratch, hidden, stage, withSums, out _screening, ref _counts)) return false;
            (_middle, LogSumExp) = (double.NaN, float.NaN);
            if (withSums)
            {
                var (low, high) = head.LogSumExp(_screening);
                _middle = (low + high) / 2;
                if (!(((high - low) / 2) + ((_screening.LargestLogit + Math.Abs(_middle)) * Rounding) <= logProbError))
                {
                    (_sumStage, _sumSkips) = stage + 1 < head.Stages ? (stage + 1, 0) : (0, Patience);
                    continue;
                }
            }

            Take();
            return true;
        }

        return false;
    }

    public override void BeginBlock(Scratch scratch, float* hidden, int count, bool isClosest)
    {
        softmax.ThrowIfChanged();
        (_counts, _isClosest) = (default, isClosest);
        _block = head.ScreenBlock(softmax.Pool, scratch, hidden, count, isClosest ? head.Stages - 1 : head.FirstStageOf(count), ref _counts);
    }

    public override bool TryBeginRow(int row)
    {
        if (row > 0) _counts = default;
        _screening = _block[row];
        (_middle, LogSumExp) = (double.NaN, float.NaN);
        Take();
        return _screening.Upper is not null;
    }

    private void Take()
    {
        Upper = _screening.Upper;
        Bound = _screening.Bound;
        (Rows, RowsPerTile, LargestLogit) = (head.Rows, head.RowsPerTile, 2 * _screening.LargestLogit);
        (Errors, SumError) = (head.Errors(_screening), head.SumError);
    }

    public override float Refine(int row) => head.Refine(_screening, row, ref _counts);

    public override float Logit(int row)
    {
        _counts.Rescored++;
        return head.Rescore(_screening, row);
    }

    public override float LogProb(float logit) => (float)(logit - _middle);

    public override void End(bool isDecided, bool hangsOnMasses)
    {
        softmax.Count(_counts, isDecided, hangsOnMasses);
        if (!_isClosest) return;

        // Where masses stay open, one call after another, they are tried less and less.
        _massFailures = isDecided ? 0 : _massFailures + 1;
        if (_massFailures > 1) _massSkips = Math.Min(Patience, 1 << Math.Min(_massFailures, 6));
    }
}
