namespace AdaptiveSoftmax;

/// <summary>
/// How much each state counts where something of one cluster is fitted: an error of a logit costs as much as its token is
/// probable there, and an error in the level of some members as much as it is open whether the target is one of them.
/// </summary>
/// <param name="headNormaliser">The log-sum-exp of the source's head for each state, [count].</param>
internal sealed class StateWeights(double[] headNormaliser)
{
    // Of the mean weight. It keeps directions in the fit that only states of little weight have.
    private const double LeastShare = 0.01;

    /// <summary>By the mass that a cluster has.</summary>
    /// <param name="mass">Its log, in the scale of the source's head, [count].</param>
    public double[] OfCluster(double[] mass) => Normalise(i => Math.Exp(mass[i] - headNormaliser[i]));

    /// <summary>By how open it is whether a target of the cluster is one of some members, or of all tokens where the cluster is the head.</summary>
    /// <param name="members">The log mass of the members, [count].</param>
    /// <param name="cluster">That of their tail; null where they are in the shortlist.</param>
    public double[] OfMembers(double[] members, double[]? cluster) => Normalise(i =>
    {
        var share = Math.Min(1, Math.Exp(members[i] - (cluster is null ? headNormaliser[i] : cluster[i])));
        return share * (1 - share) * (cluster is null ? 1 : Math.Exp(cluster[i] - headNormaliser[i]));
    });

    private double[] Normalise(Func<int, double> weightOf)
    {
        double[] weights = [.. Enumerable.Range(0, headNormaliser.Length).Select(weightOf)];
        var least = Math.Max(LeastShare * weights.Average(), double.Epsilon);
        var total = weights.Sum(weight => weight + least);
        for (var i = 0; i < weights.Length; i++) weights[i] = (weights[i] + least) / total;
        return weights;
    }
}
