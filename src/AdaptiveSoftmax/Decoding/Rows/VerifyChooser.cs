namespace AdaptiveSoftmax;

/// <summary>
/// Judges a drafted token where any token may be drawn, at any temperature, and draws another where it is rejected, so that
/// the token has the target's distribution p whatever the draft's q: it is accepted with min(1, p / q), else one is drawn from
/// max(p − q, 0) (Leviathan et al. 2023, Chen et al. 2023). Only tails on which this hangs are computed.
/// </summary>
/// <remarks>
/// <para>
/// p is a token's weight w over the mass Z of all tokens. Of tails that were not computed only bounds of the mass are known, and so Z is
/// known to lie between two numbers. A test that comes out alike for both is decided; else the tail of which the least is known is computed.
/// </para>
/// <para>
/// A rejected token is followed by exact rejection sampling: a cluster is drawn by the most that the draft can leave of it, which for a tail
/// that is not known is its greatest mass; that tail is computed, and accepted with the ratio of what is left of it. A token of it is
/// drawn by max(w − q Z, 0) with the least that Z can be, and accepted with the ratio of the same with the true Z. Each round's bounds
/// hold, whatever the rounds before it have shown.
/// </para>
/// <para>
/// Nothing counts as known but what this asked for, so that neither policy nor reported alternatives change a token.
/// </para>
/// </remarks>
/// <param name="row">The row.</param>
/// <param name="draw">Draws from p itself, where the draft leaves nothing but rounding.</param>
internal sealed unsafe class VerifyChooser(RowDecoder row, DrawChooser draw)
{
    private const int Head = -1;
    private const int Nothing = -2;
    private const int Open = -3;
    private const int GoOn = -1;

    // The random numbers of a round.
    private const int PerRound = 4;

    private readonly nint[] _scores = new nint[row.Layout.TailCount];
    private readonly bool[] _isKnown = new bool[row.Layout.TailCount];
    private readonly double[] _least = new double[row.Layout.TailCount];
    private readonly double[] _most = new double[row.Layout.TailCount];
    private readonly ResidualMass[] _left = [.. Enumerable.Range(0, row.Layout.TailCount + 1).Select(_ => new ResidualMass())];
    private DraftDistribution _draft = null!;
    private double _shift, _headMass, _bound;
    private int _round, _proposed, _token, _asked;
    private bool _isRejected, _isChosen, _mustLearn, _isPlain;
    private ulong _chosen;

    /// <summary>Begins with the head.</summary>
    public void Begin(DraftDistribution draft)
    {
        _draft = draft;
        draw.Begin();
        (_round, _proposed, _token, _asked) = (0, Open, -1, GoOn);
        (_isRejected, _isChosen, _mustLearn, _isPlain) = (false, false, false, false);
        _scores.AsSpan().Clear();
        foreach (var left in _left) left.Clear();
        _shift = row.HeadLogMass;
        foreach (ref var state in row.Clusters) _shift = Math.Max(_shift, state.MostLogMass);
        if (double.IsNegativeInfinity(_shift)) _shift = 0;
        _headMass = Math.Exp(row.HeadLogMass - _shift);
        for (var i = 0; i < _isKnown.Length; i++)
        {
            ref var state = ref row.Clusters[i];
            _isKnown[i] = double.IsNegativeInfinity(state.MostLogMass);
            (_least[i], _most[i]) = (Math.Exp(state.LeastLogMass - _shift), Math.Exp(state.MostLogMass - _shift));
        }
    }

    /// <summary>Takes a tail.</summary>
    /// <param name="tail">The tail.</param>
    /// <param name="scores">Its scores, which stay until the row is finished.</param>
    public void Accept(int tail, float* scores) => _scores[tail] = (nint)scores;

    /// <summary>The tail on which the choice hangs, or −1 where the token is chosen.</summary>
    public int NextTail()
    {
        while (!_isChosen && !_isPlain)
        {
            if (_asked == GoOn) _asked = _isRejected ? DrawAnother() : Judge();
            if (_asked == GoOn) continue;
            if (!row.Clusters[_asked].IsVisited) return _asked;
            _isKnown[_asked] = true;
            _least[_asked] = _most[_asked] = Math.Exp(row.Clusters[_asked].MostLogMass - _shift);
            _asked = GoOn;
        }

        return _isPlain ? draw.NextTail() : -1;
    }

    public ulong Finish() => _isPlain ? draw.Finish() : _chosen;

    // Accepts or rejects the drafted token, or gives the tail that this hangs on.
    private int Judge()
    {
        var slot = _draft.Slot;
        var tail = row.Layout.ClusterOf(slot) - 1;
        var limit = row.Random(DrawPurpose.Verification, 0) * _draft.Probability;
        var (least, most) = Total();

        // A tail none of whose tokens can weigh enough need not be computed.
        if (tail >= 0 && !_isKnown[tail] && limit * least < Weight(row.Clusters[tail].Bound)) return tail;
        var weight = tail >= 0 && !_isKnown[tail] ? 0 : Weight(ScoreOf(tail, slot));
        if (!(limit * least < weight)) _isRejected = true;
        else if (limit * most >= weight && LeastKnown() is >= 0 and var unknown) return unknown;
        else Choose(tail, slot);
        return GoOn;
    }

    // One more step of the draw from what the draft leaves, or the tail that it hangs on.
    private int DrawAnother()
    {
        if (_mustLearn)
        {
            _mustLearn = false;
            if (LeastKnown() is >= 0 and var unknown) return unknown;
        }

        if (_proposed == Open) Propose();
        if (_proposed == Nothing)
        {
            _isPlain = true;
            return GoOn;
        }

        if (_proposed != Head && !_isKnown[_proposed]) return _proposed;
        var left = _left[_proposed + 1];
        if (_token < 0)
        {
            Write(_proposed);
            if (row.Random(DrawPurpose.Residual, (_round * PerRound) + 1) * _bound >= left.Sum) return NextRound();
            _token = left.Find(row.Random(DrawPurpose.Residual, (_round * PerRound) + 2) * left.Sum);
        }

        // What is left of the token if the mass of all is Z: w − q Z.
        var slot = FirstSlot(_proposed) + _token;
        var probability = _draft.Of(slot);
        if (probability > 0)
        {
            var needed = row.Random(DrawPurpose.Residual, (_round * PerRound) + 3) * left.Of(_token);
            var (least, most) = Total();
            if (needed >= left.Of(_token) - (probability * (least - left.Total)))
            {
                _mustLearn = true;
                return NextRound();
            }

            if (needed >= left.Of(_token) - (probability * (most - left.Total)) && LeastKnown() is >= 0 and var unknown) return unknown;
        }

        Choose(_proposed, slot);
        return GoOn;
    }

    private int NextRound()
    {
        (_proposed, _token, _round) = (Open, -1, _round + 1);
        return GoOn;
    }

    private void Choose(int cluster, int slot) => (_chosen, _isChosen) = (ScoreKey.Of(ScoreOf(cluster, slot), slot), true);

    // The head, a tail, or nothing where the draft leaves nothing.
    private void Propose()
    {
        var total = 0.0;
        for (var cluster = Head; cluster < _most.Length; cluster++) total += MostLeft(cluster);
        var target = row.Random(DrawPurpose.Residual, _round * PerRound) * total;
        _proposed = Nothing;
        for (var cluster = Head; cluster < _most.Length; cluster++)
        {
            var mass = MostLeft(cluster);
            if (mass == 0) continue;
            (_proposed, _bound) = (cluster, mass);
            if (target < mass) return;
            target -= mass;
        }
    }

    // The most that the draft can leave of a cluster.
    private double MostLeft(int cluster)
    {
        if (cluster != Head && !_isKnown[cluster]) return _most[cluster];
        var (first, end) = _draft.Within(FirstSlot(cluster), FirstSlot(cluster) + SizeOf(cluster));
        if (first == end) return cluster == Head ? _headMass : _most[cluster];
        Write(cluster);
        return _left[cluster + 1].Sum;
    }

    private void Write(int cluster)
    {
        var (total, left) = (Total().Least, _left[cluster + 1]);
        var scores = cluster == Head ? row.Head : (float*)_scores[cluster];
        if (left.Total != total) left.Write(scores, scores is null ? 0 : SizeOf(cluster), FirstSlot(cluster), row.InverseTemperature, _shift, _draft, total);
    }

    // Between these lies the mass of all tokens.
    private (double Least, double Most) Total()
    {
        var (least, most) = (_headMass, _headMass);
        foreach (var mass in _least) least += mass;
        foreach (var mass in _most) most += mass;
        return (least, most);
    }

    // The tail between whose bounds the most mass lies; −1 where all masses are known.
    private int LeastKnown()
    {
        var (widest, width) = (-1, 0.0);
        for (var i = 0; i < _most.Length; i++)
        {
            if (_most[i] - _least[i] > width) (widest, width) = (i, _most[i] - _least[i]);
        }

        return widest;
    }

    private double Weight(float score) => Math.Exp(((double)score * row.InverseTemperature) - _shift);

    // −∞ in a tail none of whose tokens may be chosen.
    private float ScoreOf(int cluster, int slot) =>
        cluster == Head ? row.Head[slot] : _scores[cluster] == 0 ? float.NegativeInfinity : ((float*)_scores[cluster])[slot - FirstSlot(cluster)];

    private int FirstSlot(int cluster) => cluster == Head ? 0 : row.Layout.Tails[cluster].Start;

    private int SizeOf(int cluster) => cluster == Head ? row.Layout.ShortlistSize : row.Layout.Tails[cluster].Size;
}
