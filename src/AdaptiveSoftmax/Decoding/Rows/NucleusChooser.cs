namespace AdaptiveSoftmax;

/// <summary>
/// Top-p and min-p without top-k. Keeps the tokens that can still be in the nucleus, and asks for the tails whose tokens can,
/// or whose mass decides where the nucleus ends.
/// </summary>
internal sealed unsafe class NucleusChooser(RowDecoder row)
{
    private const int FirstGuess = 64;

    private readonly TopList _best = new();
    private ulong[] _candidates = new ulong[256];
    private int _count;
    private float _limit;

    public void Begin()
    {
        _count = 0;
        _limit = LimitOfHead();
        Collect(row.Head, row.Layout.ShortlistSize, firstSlot: 0);
        Tighten();
    }

    public void Accept(int cluster, float* scores)
    {
        var tail = row.Layout.Tails[cluster];
        Collect(scores, tail.Size, tail.Start);
        Tighten();
    }

    public int NextTail()
    {
        var likeliest = row.MostProbable();
        if (likeliest < 0) return -1;
        if (row.Clusters[likeliest].Bound >= _limit) return likeliest;
        if (row.Options.TopP >= 1) return -1;

        // No unseen token can be in the nucleus; does what is not known of their mass move its end?
        var candidates = _candidates.AsSpan(0, _count);
        var (least, most) = TotalMass();
        if (Chooser.Nucleus(row, candidates, row.Options.TopP * least) == Chooser.Nucleus(row, candidates, row.Options.TopP * most)) return -1;
        return LeastKnown();
    }

    public ulong Finish()
    {
        if (_count == 0) throw new InvalidOperationException("No token is left that may be chosen: mask, biases and policy together forbid them all.");
        return Chooser.Draw(row, _candidates.AsSpan(0, _count), TotalMass().Most);
    }

    private (double Least, double Most) TotalMass()
    {
        var reference = (double)row.Reference * row.InverseTemperature;
        var least = Math.Exp(row.HeadLogMass - reference);
        var most = least;
        foreach (ref var state in row.Clusters)
        {
            least += Math.Exp(state.LeastLogMass - reference);
            most += Math.Exp(state.MostLogMass - reference);
        }

        return (least, most);
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

    // Tokens below this are not in the nucleus: the head's best already reach what top-p asks of the greatest total mass.
    private float LimitOfHead()
    {
        var most = TotalMass().Most;
        var shortlist = row.Layout.ShortlistSize;
        var headMass = Math.Exp(row.HeadLogMass - ((double)row.Reference * row.InverseTemperature));
        for (var guess = FirstGuess; headMass >= row.Options.TopP * most; guess *= 8)
        {
            _best.Reset(Math.Min(guess, shortlist));
            _best.AddRange(row.Head, shortlist, firstSlot: 0);
            _best.Sort();
            var size = Chooser.Nucleus(row, _best.Keys, row.Options.TopP * most);
            if (size < _best.Count) return MathF.Max(ScoreKey.Score(_best.Keys[size - 1]), Chooser.MinPLimit(row, ScoreKey.Score(_best.Keys[0])));
            if (guess >= shortlist) break;
        }

        return Chooser.MinPLimit(row, SoftmaxKernel.Maximum(row.Head, shortlist));
    }

    private void Collect(float* scores, int count, int firstSlot)
    {
        for (var i = 0; i < count; i++)
        {
            if (!(scores[i] >= _limit) || scores[i] == float.NegativeInfinity) continue;
            if (_count == _candidates.Length) Array.Resize(ref _candidates, 2 * _count);
            _candidates[_count++] = ScoreKey.Of(scores[i], firstSlot + i);
        }
    }

    // With every tail that is seen, the total mass is known better and the best token may be a better one.
    private void Tighten()
    {
        if (_count == 0) return;
        var candidates = _candidates.AsSpan(0, _count);
        candidates.Sort();
        row.Reference = ScoreKey.Score(candidates[0]);
        _count = Chooser.Nucleus(row, candidates, row.Options.TopP < 1 ? row.Options.TopP * TotalMass().Most : double.PositiveInfinity);
        _limit = MathF.Max(_limit, Chooser.MinPLimit(row, ScoreKey.Score(candidates[0])));
        if (_count < candidates.Length) _limit = MathF.Max(_limit, ScoreKey.Score(candidates[_count - 1]));
    }
}
