namespace LanguageModelSample;

/// <summary>How far training has come.</summary>
/// <param name="Seconds">The seconds trained.</param>
/// <param name="Step">The steps taken.</param>
/// <param name="LastStep">The step at which training ends; null while that is open.</param>
/// <param name="TokensPerSecond">The speed.</param>
/// <param name="Loss">The loss, as a running mean.</param>
/// <param name="Perplexity">The perplexity on held-out text.</param>
/// <param name="TargetsByCluster">How many targets were in the shortlist and in each tail.</param>
internal sealed record TrainingState(double Seconds, long Step, long? LastStep, double TokensPerSecond, double Loss, double Perplexity, IReadOnlyList<long> TargetsByCluster)
{
    /// <summary>The share of the targets in the shortlist (0) or in a tail (1 and up).</summary>
    public double ShareOf(int cluster) => (double)TargetsByCluster[cluster] / Math.Max(1, TargetsByCluster.Sum());
}
