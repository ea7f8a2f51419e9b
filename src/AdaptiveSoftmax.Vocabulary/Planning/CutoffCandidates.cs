namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The positions at which clusters may start: all of them up to some hundreds, then steps of about 1.6 %, which cost a
/// plan less than that, so that a million tokens take no longer than some hundred thousand.
/// </summary>
internal static class CutoffCandidates
{
    /// <summary>The vocabulary size up to which every position is a candidate.</summary>
    public const int ExactSize = 512;

    private const int StepsPerDoubling = 64;

    /// <summary>Ascending candidates, the vocabulary's end last.</summary>
    /// <param name="vocabularySize">The number of tokens.</param>
    /// <param name="landmarks">Positions that are candidates in any case.</param>
    public static int[] Create(int vocabularySize, params int[] landmarks)
    {
        var candidates = new SortedSet<int>(landmarks.Where(position => position > 0 && position < vocabularySize)) { vocabularySize };
        for (var position = 1; position < vocabularySize; position += 1 + (position >= ExactSize ? position / StepsPerDoubling : 0))
            candidates.Add(position);

        // A head that must cover nearly everything leaves the clusters only the last positions.
        for (var position = Math.Max(1, vocabularySize - ClusterPlanner.MaximumClusters); position < vocabularySize; position++)
            candidates.Add(position);
        return [.. candidates];
    }
}
