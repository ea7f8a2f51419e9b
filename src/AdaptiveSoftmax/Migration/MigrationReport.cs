namespace AdaptiveSoftmax;

/// <summary>What became of a cluster of the target.</summary>
public enum ClusterChange
{
    /// <summary>Nothing entered or left: every weight has its old bits.</summary>
    Kept,

    /// <summary>Some tokens left: the others keep their bits, and the mass of the cluster was fitted anew.</summary>
    Reduced,

    /// <summary>Rows came together from several clusters, or into another width, and were factored anew.</summary>
    Factored,

    /// <summary>The head: rows that stay keep their bits, others are their tokens' effective rows.</summary>
    Head,

    /// <summary>All its tokens are new.</summary>
    Added,
}

/// <summary>What a migration did to one cluster.</summary>
/// <param name="Cluster">0 for the head, i + 1 for tail i.</param>
/// <param name="Change">What became of it.</param>
/// <param name="Size">Its tokens.</param>
/// <param name="Kept">Those that keep every bit.</param>
/// <param name="Moved">Those that came from another cluster, or were factored anew.</param>
/// <param name="Added">Those that are new.</param>
/// <param name="LostShare">The share of the squared logits that the width does not hold; null where nothing was factored.</param>
/// <param name="LogitError">The root mean square error of a logit by the factorisation; null where nothing was factored.</param>
/// <param name="GateError">The root mean square error, in nats, of the cluster's fitted mass over the states; null where nothing was fitted.</param>
public sealed record ClusterMigration(
    int Cluster, ClusterChange Change, int Size, int Kept, int Moved, int Added, double? LostShare = null, double? LogitError = null, double? GateError = null);

/// <summary>The perplexity of states, as a whole and by the cluster that holds the target.</summary>
/// <param name="Count">The states judged.</param>
/// <param name="Perplexity">exp of the mean loss.</param>
/// <param name="ByCluster">The same of the targets in each cluster of the new layout, whatever was judged; NaN where there are none.</param>
/// <param name="ByTenth">The same by tenths of the new table's occurrences, the most frequent tokens first; none where nothing was counted.</param>
public sealed record MigrationPerplexity(long Count, double Perplexity, IReadOnlyList<double> ByCluster, IReadOnlyList<TenthPerplexity> ByTenth);

/// <summary>The perplexity of targets that are about as frequent.</summary>
/// <param name="Name"><c>1</c> to <c>10</c>, or <c>unseen</c> for tokens that were never counted. A token of several tenths leaves fewer.</param>
/// <param name="Perplexity">exp of the mean loss; NaN where no target is of them.</param>
public sealed record TenthPerplexity(string Name, double Perplexity);

/// <summary>What a migration did.</summary>
/// <param name="Clusters">By cluster of the target, the head first.</param>
/// <param name="Removed">The tokens of the source that the target does not have.</param>
/// <param name="Added">The tokens of the target that the source does not have.</param>
/// <param name="HasStates">Whether rows and gates were fitted over states of the model; without, they are worse.</param>
/// <param name="FittedStates">The states that they were fitted over.</param>
/// <param name="Before">The source's perplexity over the states that were kept to judge by; null without states.</param>
/// <param name="After">The target's before polishing.</param>
/// <param name="Polished">The target's after polishing; null where there was none.</param>
/// <param name="LeftOut">The judged states whose targets the target's vocabulary does not have, which are in none of the figures.</param>
public sealed record MigrationReport(
    IReadOnlyList<ClusterMigration> Clusters,
    int Removed,
    int Added,
    bool HasStates,
    int FittedStates,
    MigrationPerplexity? Before,
    MigrationPerplexity? After,
    MigrationPerplexity? Polished,
    long LeftOut);
