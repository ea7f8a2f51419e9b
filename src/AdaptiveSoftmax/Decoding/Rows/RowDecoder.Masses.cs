namespace AdaptiveSoftmax;

// The mass of the head, and between what that of each tail must lie before it is seen.
internal sealed partial class RowDecoder
{
    /// <summary>A token of the head, drawn by the weights.</summary>
    public ulong DrawFromHead()
    {
        LogMass(_head, InverseTemperature, out _);
        var (row, score) = _head.Draw(TokenUniform(cluster: 0));
        return ScoreKey.Of(score, row);
    }

    private void BeginDraw()
    {
        SetMasses(InverseTemperature);
        for (var i = 0; _options.Policy.MaximumTails == 0 && i < _clusters.Length; i++)
        {
            if (!_clusters[i].IsVisited) LeaveOut(i);
        }

        _draw.Begin();
    }

    // The mass of the head, and for each tail between what its mass must lie; gives the head's best score.
    private float SetMasses(float inverse)
    {
        var adjustment = Adjustment;
        HeadLogMass = LogMass(_head, inverse, out var best);
        Reference = best > float.NegativeInfinity ? best : 0;
        for (var i = 0; i < _clusters.Length; i++)
        {
            ref var state = ref _clusters[i];
            state.LeastLogMass = state.MostLogMass = double.NegativeInfinity;
            var allowed = adjustment.AllowedCount(i + 1, _layout.Tails[i].Size);
            if (allowed == 0 || state.Bound == float.NegativeInfinity) continue;
            adjustment.Bound(i + 1, state.LogProb, out var raised);
            TailMass.Bounds(state, allowed, raised, inverse, out state.LeastLogMass, out state.MostLogMass);
        }

        return best;
    }

    private double LogMass(IClusterScores scores, float inverse, out float best)
    {
        _mass = scores.Mass(inverse, out best);
        return best == float.NegativeInfinity ? double.NegativeInfinity : ((double)best * inverse) + Math.Log(_mass);
    }
}
