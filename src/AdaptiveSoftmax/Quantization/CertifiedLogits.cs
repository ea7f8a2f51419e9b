namespace AdaptiveSoftmax;

/// <summary>Bounds of a dense head's logits from its smaller copies, the coarsest first.</summary>
internal sealed unsafe class CertifiedLogits(CertifiedSoftmax softmax, CertifiedCluster head) : ScreenedLogits
{
    // At most so many calls pass before sums that were not close enough are tried again.
    private const int Patience = 64;

    // Log-probs are tried where so small a share of what the copy leaves of a logit, on average, is close enough: the rows that are
    // read as they are stored take the rest out.
    private const int LeastShare = 16;

    private readonly CertifiedCounters _counters = new();
    private Screening _screening;
    private ScreenCounts _counts;
    private Screening* _block;
    private int _failures;
    private int _skips;

    public override CertifiedStatistics Statistics => _counters.Read();

    public override bool MayBoundMasses(bool isClosest)
    {
        // The errors of mapped logits are not those of the products.
        if (head.Map.IsSet) return false;
        if (!isClosest || _skips == 0) return true;
        _skips--;
        return false;
    }

    public override bool MayBoundLogProbs(float* hidden, float error)
    {
        var square = 0.0;
        for (var i = 0; i < softmax.Layout.HiddenSize; i++) square += (double)hidden[i] * hidden[i];
        return !head.Map.IsSet && (double)error * LeastShare >= head.Screens[^1].Errors.Average * Math.Sqrt(square);
    }

    public override bool TryBegin(Scratch scratch, float* hidden, bool isFirst, bool isClosest)
    {
        softmax.ThrowIfChanged();
        if (isFirst) _counts = default;
        var stage = !isFirst ? _screening.Stage + 1 : isClosest ? head.Stages - 1 : head.FirstStage;
        if (stage >= head.Stages) return false;
        if (!isFirst) head.Skip();
        if (!head.Screen(softmax.Pool, scratch, hidden, stage, withSums: false, out _screening, ref _counts)) return false;
        Take();
        return true;
    }

    public override void BeginBlock(Scratch scratch, float* hidden, ReadOnlySpan<int> rows, bool isClosest)
    {
        softmax.ThrowIfChanged();
        _counts = default;
        _block = head.ScreenBlock(softmax.Pool, scratch, hidden, rows, isClosest ? head.Stages - 1 : head.FirstStageOf(rows.Length), ref _counts);
    }

    public override bool TryBeginRow(int at)
    {
        if (at > 0) _counts = default;
        _screening = _block[at];
        Take();
        return _screening.Upper is not null;
    }

    private void Take()
    {
        Upper = _screening.Upper;
        Bound = _screening.Bound;
        (Rows, RowsPerTile, LargestLogit, LogSumExp) = (head.Rows, head.RowsPerTile, 2 * _screening.LargestLogit, float.NaN);
        (Errors, SumError) = (head.Errors(_screening), head.SumError);
        ForgetLogProbs();
    }

    public override float Refine(int row) => head.Refine(_screening, row, ref _counts);

    public override float Logit(int row)
    {
        _counts.Rescored++;
        return head.Rescore(_screening, row);
    }

    public override void End(bool isDecided, bool hangsOnMasses, bool isClosest)
    {
        softmax.Count(_counts, isDecided, hangsOnMasses);
        _counters.Add(_counts, isDecided, hangsOnMasses);
        if (!isClosest) return;

        // Where sums stay open, one call after another, they are tried less and less.
        _failures = isDecided ? 0 : _failures + 1;
        if (_failures > 1) _skips = Math.Min(Patience, 1 << Math.Min(_failures, 6));
    }
}
