namespace AdaptiveSoftmax;

/// <summary>Between what the tempered mass Σ p^(1/T) of a tail must lie before the tail is computed; in logs, since at a low
/// temperature masses leave the range of any float.</summary>
internal static class TailMass
{
    /// <summary>
    /// A cluster of probability g spread over n tokens has g^(1/T) n^(1 − 1/T) if all are equally probable and g^(1/T) if one
    /// has everything; Σ p^(1/T) is convex in p for T &lt; 1 and concave for T &gt; 1, so these are its ends, whichever is which.
    /// </summary>
    /// <param name="state">The cluster.</param>
    /// <param name="allowed">The tokens that may be chosen, at least 1.</param>
    /// <param name="raised">The tokens whose score may be above their log-prob.</param>
    /// <param name="inverse">1 / T.</param>
    /// <param name="least">Receives the log of the least mass.</param>
    /// <param name="most">Receives the log of the greatest mass.</param>
    public static void Bounds(in ClusterState state, int allowed, int raised, float inverse, out double least, out double most)
    {
        var inOneToken = (double)state.LogProb * inverse;
        var spread = inOneToken + ((1 - (double)inverse) * Math.Log(allowed));
        (least, most) = inverse > 1 ? (spread, inOneToken) : (inOneToken, spread);
        if (!state.IsTouched) return;

        // Penalties and masks may take everything away; each raised token may have the bound's weight.
        least = double.NegativeInfinity;
        if (raised > 0) most = Add(most, ((double)state.Bound * inverse) + Math.Log(raised));
    }

    /// <summary>log(exp(left) + exp(right)).</summary>
    public static double Add(double left, double right)
    {
        var (large, small) = left > right ? (left, right) : (right, left);
        return double.IsNegativeInfinity(small) ? large : large + Math.Log(1 + Math.Exp(small - large));
    }
}
