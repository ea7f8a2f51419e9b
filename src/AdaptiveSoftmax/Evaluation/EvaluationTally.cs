namespace AdaptiveSoftmax;

/// <summary>Sums over the targets of a group, in the order of the targets.</summary>
/// <param name="bins">The calibration bins.</param>
internal sealed class EvaluationTally(int bins)
{
    private readonly long[] _binTokens = new long[bins];
    private readonly long[] _binHits = new long[bins];
    private readonly double[] _binConfidence = new double[bins];
    private readonly List<double> _microseconds = [];
    private long _tokens, _bytes, _hits, _topHits, _tailsVisited;
    private double _loss;

    /// <summary>Adds a target.</summary>
    public void Add(in EvaluatedTarget target)
    {
        _tokens++;
        _bytes += target.Bytes;
        _loss -= target.LogProb;
        if (target.IsBest) _hits++;
        if (target.IsAmongTop) _topHits++;
        _tailsVisited += target.TailsVisited;
        // A probability of 0.2 belongs to the bin that ends there.
        var bin = Math.Clamp((int)Math.Ceiling(target.Confidence * _binTokens.Length) - 1, 0, _binTokens.Length - 1);
        _binTokens[bin]++;
        _binConfidence[bin] += target.Confidence;
        if (target.IsBest) _binHits[bin]++;
    }

    /// <summary>Adds the time of a prediction.</summary>
    public void AddTime(double microseconds) => _microseconds.Add(microseconds);

    /// <summary>What the sums come to.</summary>
    public EvaluationFigures ToFigures(EvaluationGroup group) => new()
    {
        Name = group.Name,
        FirstSlot = group.FirstSlot,
        Slots = group.Slots,
        Tokens = _tokens,
        Bytes = _bytes,
        Loss = _loss / _tokens,
        Accuracy = (double)_hits / _tokens,
        TopKAccuracy = (double)_topHits / _tokens,
        CalibrationError = Enumerable.Range(0, _binTokens.Length).Sum(bin => Math.Abs(_binHits[bin] - _binConfidence[bin])) / _tokens,
        TailsVisited = (double)_tailsVisited / _tokens,
        Microseconds = Median(),
    };

    /// <summary>The calibration curve.</summary>
    public CalibrationBin[] ToCalibration() =>
    [
        .. Enumerable.Range(0, _binTokens.Length).Select(bin => new CalibrationBin(
            (double)bin / _binTokens.Length, (bin + 1.0) / _binTokens.Length, _binTokens[bin], _binConfidence[bin] / _binTokens[bin], (double)_binHits[bin] / _binTokens[bin])),
    ];

    /// <summary>Forgets the times.</summary>
    public void ClearTimes() => _microseconds.Clear();

    private double Median()
    {
        if (_microseconds.Count == 0) return double.NaN;
        double[] sorted = [.. _microseconds.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What a softmax made of one hidden vector.</summary>
/// <param name="LogProb">The target's log-prob.</param>
/// <param name="Confidence">The probability of the most probable token.</param>
/// <param name="IsBest">Whether the target is that token.</param>
/// <param name="IsAmongTop">Whether it is among the k most probable.</param>
/// <param name="TailsVisited">The tails that greedy decoding computes.</param>
/// <param name="Bytes">The target's bytes.</param>
internal readonly record struct EvaluatedTarget(double LogProb, double Confidence, bool IsBest, bool IsAmongTop, int TailsVisited, int Bytes);
