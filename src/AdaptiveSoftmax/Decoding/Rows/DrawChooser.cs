namespace AdaptiveSoftmax;

/// <summary>
/// Draws from all tokens, at any temperature, computing only tails on which a draw falls: exact rejection sampling. A part is
/// drawn by the greatest mass that it can have; a tail so drawn is computed and accepted with the ratio of its true mass to
/// that bound, else everything is drawn again. Each round's bounds hold, whatever the rounds before it have shown, so each
/// accepts with the true probabilities.
/// </summary>
internal sealed class DrawChooser(RowDecoder row)
{
    private const int Head = -1;
    private const int Nothing = -2;

    private int _proposed = -1;
    private double _logBound;
    private ulong _chosen;

    public void Begin()
    {
        _proposed = -1;
        for (var i = 0; row.Options.Policy.MaximumTails == 0 && i < row.Clusters.Length; i++)
        {
            if (!row.Clusters[i].IsVisited) row.LeaveOut(i);
        }
    }

    /// <summary>The tail on which the draw fell, or −1 where the token is chosen.</summary>
    public int NextTail()
    {
        if (_proposed >= 0)
        {
            var proposed = _proposed;
            _proposed = -1;
            ref var state = ref row.Clusters[proposed];

            // Without penalty, mask or temperature the bound is the mass, and only rounding could reject.
            var isCertain = !state.IsTouched && row.InverseTemperature == 1 && !double.IsNegativeInfinity(state.MostLogMass);
            if (isCertain || row.NextRandom() < Math.Exp(state.MostLogMass - _logBound)) return Choose(proposed);
        }

        var cluster = DrawPart();
        if (cluster < 0)
        {
            _chosen = cluster == Nothing ? ScoreKey.None : row.DrawFromHead();
            return -1;
        }

        if (row.Clusters[cluster].IsVisited) return Choose(cluster);
        (_proposed, _logBound) = (cluster, row.Clusters[cluster].MostLogMass);
        return cluster;
    }

    public ulong Finish() => _chosen;

    private int Choose(int cluster)
    {
        var state = row.Clusters[cluster];
        _chosen = ScoreKey.Of(state.DrawnScore, row.Layout.Tails[cluster].Start + state.DrawnRow);
        return -1;
    }

    // A tail, or the head, or nothing where no token may be chosen.
    private int DrawPart()
    {
        var largest = row.HeadLogMass;
        foreach (ref var state in row.Clusters) largest = Math.Max(largest, state.MostLogMass);
        if (double.IsNegativeInfinity(largest)) return Nothing;

        var total = Math.Exp(row.HeadLogMass - largest);
        foreach (ref var state in row.Clusters) total += Math.Exp(state.MostLogMass - largest);
        var target = row.NextRandom() * total;
        var last = Head;
        var mass = Math.Exp(row.HeadLogMass - largest);
        if (target < mass) return Head;
        target -= mass;
        for (var i = 0; i < row.Clusters.Length; i++)
        {
            mass = Math.Exp(row.Clusters[i].MostLogMass - largest);
            if (mass == 0) continue;
            if (target < mass) return i;
            target -= mass;
            last = i;
        }

        // At rounding's edge, where the sum of all is passed.
        return last;
    }
}
