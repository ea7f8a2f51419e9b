namespace AdaptiveSoftmax;

/// <summary>
/// Draws from all tokens, at any temperature, computing only tails on which a draw falls: exact rejection sampling. A cluster is
/// drawn by the greatest mass that it can have; a tail so drawn is computed and accepted with the ratio of its true mass to
/// that bound, else everything is drawn again with its true mass. Each round's bounds hold, whatever the rounds before it have
/// shown, so each accepts with the true probabilities.
/// </summary>
/// <remarks>
/// Only a draw that falls on a tail replaces its bound: a tail that was computed for another reason draws as if it had not
/// been, so that neither policy nor reported alternatives change a token.
/// </remarks>
internal sealed class DrawChooser(RowDecoder row)
{
    private const int Head = -1;
    private const int Nothing = -2;
    private const int Open = -3;

    private int _proposed;
    private int _round;
    private bool _isChosen;
    private ulong _chosen;

    public void Begin()
    {
        (_proposed, _round, _isChosen) = (Open, 0, false);
        foreach (ref var state in row.Clusters) state.DrawLogMass = state.MostLogMass;
    }

    /// <summary>The tail on which the draw fell, or −1 where the token is chosen.</summary>
    public int NextTail()
    {
        while (!_isChosen)
        {
            if (_proposed == Open) _proposed = Propose();
            if (_proposed < 0) Choose(_proposed == Nothing ? ScoreKey.None : row.DrawFromHead());
            else if (!row.Clusters[_proposed].IsVisited) return _proposed;
            else Judge();
        }

        return -1;
    }

    public ulong Finish() => _chosen;

    private void Judge()
    {
        ref var state = ref row.Clusters[_proposed];
        var bound = state.DrawLogMass;
        state.DrawLogMass = state.MostLogMass;

        // Without penalty, mask or temperature the bound is the mass, and only rounding could reject.
        if (bound == state.MostLogMass || row.Random(DrawPurpose.Acceptance, _round) < Math.Exp(state.MostLogMass - bound))
            Choose(ScoreKey.Of(state.DrawnScore, row.Layout.Tails[_proposed].Start + state.DrawnRow));
        (_proposed, _round) = (Open, _round + 1);
    }

    private void Choose(ulong key) => (_chosen, _isChosen) = (key, true);

    // A tail, or the head, or nothing where no token may be chosen.
    private int Propose()
    {
        var largest = row.HeadLogMass;
        foreach (ref var state in row.Clusters) largest = Math.Max(largest, state.DrawLogMass);
        if (double.IsNegativeInfinity(largest)) return Nothing;

        var total = Math.Exp(row.HeadLogMass - largest);
        foreach (ref var state in row.Clusters) total += Math.Exp(state.DrawLogMass - largest);
        var target = row.Random(DrawPurpose.Proposal, _round) * total;
        var last = Head;
        var mass = Math.Exp(row.HeadLogMass - largest);
        if (target < mass) return Head;
        target -= mass;
        for (var i = 0; i < row.Clusters.Length; i++)
        {
            mass = Math.Exp(row.Clusters[i].DrawLogMass - largest);
            if (mass == 0) continue;
            if (target < mass) return i;
            target -= mass;
            last = i;
        }

        // At rounding's edge, where the sum of all is passed.
        return last;
    }
}
