using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// Top-p and min-p without top-k. Keeps the tokens that can still be in the nucleus, and asks for the tails whose tokens can,
/// or whose mass decides where the nucleus ends.
/// </summary>
internal sealed unsafe class NucleusChooser(RowDecoder row)
{
    // Sums of weights in float32 and in another order differ by less.
    private const double Slack = 1e-5;

    private readonly MassHistogram _masses = new();
    private ulong[] _candidates = new ulong[256];
    private int _count;
    private readonly StoredScores _one = new();
    private double _target;
    private bool _isSorted;
    private bool _isReached;
    private float _limit;

    /// <summary>The score at which the masses by score begin; NaN for the best one of the cluster that comes first.</summary>
    public float TopOfMasses => _count == 0 ? float.NaN : _masses.Top;

    /// <summary>Takes the head.</summary>
    /// <param name="best">The best score in it.</param>
    public void Begin(float best)
    {
        (_count, _limit) = (0, float.NegativeInfinity);
        Add(row.HeadScores, best);
    }

    /// <summary>Takes a tail.</summary>
    /// <param name="scores">Its scores.</param>
    /// <param name="best">The best of them.</param>
    public void Accept(IClusterScores scores, float best) => Add(scores, best);

    /// <summary>Takes one token.</summary>
    public void Accept(int slot, float score) => Add(_one.Set(&score, 1, slot), score);

    public int NextTail()
    {
        var likeliest = row.MostProbable();
        if (likeliest < 0) return -1;
        if (row.Clusters[likeliest].Bound >= _limit) return likeliest;
        if (row.Options.TopP >= 1) return -1;

        // No unseen token can be in the nucleus; does what is not known of their mass move its end?
        var candidates = Sorted();
        var (_, least, most) = TotalMass();
        if (Chooser.Nucleus(row, candidates, row.Options.TopP * least) == Chooser.Nucleus(row, candidates, row.Options.TopP * most)) return -1;
        return LeastKnown();
    }

    public ulong Finish()
    {
        if (_count == 0) return ScoreKey.None;
        return Chooser.Draw(row, Sorted(), TotalMass().Most);
    }

    // Of the clusters seen, and between what that of all clusters lies.
    private (double Seen, double Least, double Most) TotalMass()
    {
        var reference = (double)row.Reference * row.InverseTemperature;
        var seen = Math.Exp(row.HeadLogMass - reference);
        var (least, most) = (seen, seen);
        foreach (ref var state in row.Clusters)
        {
            if (state.IsVisited) seen += Math.Exp(state.LeastLogMass - reference);
            least += Math.Exp(state.LeastLogMass - reference);
            most += Math.Exp(state.MostLogMass - reference);
        }

        return (seen, least, most);
    }

    // The unseen tail between whose bounds the most mass lies.
    private int LeastKnown()
    {
        var (widest, width) = (-1, double.NegativeInfinity);
        for (var i = 0; i < row.Clusters.Length; i++)
        {
            ref var state = ref row.Clusters[i];
            var unknown = Math.Exp(state.MostLogMass) - Math.Exp(state.LeastLogMass);
            if (!state.IsVisited && unknown > width) (widest, width) = (i, unknown);
        }

        return widest;
    }

    private void Add(IClusterScores scores, float best)
    {
        if (best == float.NegativeInfinity) return;
        if (_count == 0)
        {
            row.Reference = best;
            _masses.Begin(best, row.InverseTemperature);
        }
        else if (best > row.Reference)
        {
            _masses.Rescale(Math.Exp(((double)row.Reference - best) * row.InverseTemperature));
            row.Reference = best;
        }

        _limit = MathF.Max(_limit, Chooser.MinPLimit(row, row.Reference));
        _target = row.Options.TopP < 1 ? row.Options.TopP * TotalMass().Most : double.PositiveInfinity;
        _isReached = row.Options.TopP < 1 && Tighten(scores, _target);
        DropBelowLimit();
        if (scores.TryCollect(this, _limit)) EndCollecting();
    }

    /// <summary>After the tokens of a cluster were collected.</summary>
    public void EndCollecting()
    {
        if (_isReached) Cut(_target);
    }

    // Tokens below the limit are not in the nucleus. Says whether those above reach what top-p asks of the greatest total mass.
    private bool Tighten(IClusterScores scores, double target)
    {
        // All tokens of less weight than this have together less than top-p leaves out, whatever is still to come. Retrieved tokens
        // that are yet to be offered may weigh beyond double, which is no reason to keep them out.
        var seen = Math.Min(TotalMass().Seen, double.MaxValue);
        var lightest = (1 - Slack) * (1 - row.Options.TopP) * seen / row.Layout.VocabularySize;
        _limit = MathF.Max(_limit, row.Reference + (float)(Math.Log(lightest) / row.InverseTemperature));

        scores.AddTo(_masses, row.Reference, _limit);
        var limit = _masses.FindLimit((1 + Slack) * target);
        if (limit < _limit || limit == float.NegativeInfinity) return false;
        _limit = limit;
        return true;
    }

    // To the token, so that no tail is computed for what lies between it and the bucket's edge.
    private void Cut(double target)
    {
        var candidates = Sorted();
        _count = Chooser.Nucleus(row, candidates, target);
        _limit = ScoreKey.Score(candidates[_count - 1]);
    }

    private void DropBelowLimit()
    {
        _isSorted = false;
        var kept = 0;
        foreach (var key in _candidates.AsSpan(0, _count))
        {
            if (ScoreKey.Score(key) >= _limit) _candidates[kept++] = key;
        }

        _count = kept;
    }

    /// <summary>Takes the tokens of a run that can be in the nucleus.</summary>
    public void Collect(float* scores, int count, int firstSlot)
    {
        var least = new Vector<float>(_limit);
        var i = 0;
        for (; i + Vector<float>.Count <= count; i += Vector<float>.Count)
        {
            if (!Vector.GreaterThanOrEqualAny(Vector.Load(scores + i), least)) continue;
            for (var k = i; k < i + Vector<float>.Count; k++) Collect(scores[k], firstSlot + k);
        }

        for (; i < count; i++) Collect(scores[i], firstSlot + i);
    }

    /// <summary>Takes a token if it can be in the nucleus.</summary>
    public void Collect(float score, int slot)
    {
        _isSorted = false;
        if (!(score >= _limit) || score == float.NegativeInfinity) return;
        if (_count == _candidates.Length) Array.Resize(ref _candidates, 2 * _count);
        _candidates[_count++] = ScoreKey.Of(score, slot);
    }

    private Span<ulong> Sorted()
    {
        var candidates = _candidates.AsSpan(0, _count);
        if (!_isSorted) candidates.Sort();
        _isSorted = true;
        return candidates;
    }
}
