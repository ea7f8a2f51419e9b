namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Where a token stands in an adaptive softmax.</summary>
/// <param name="Id">The tokenizer's id.</param>
/// <param name="Slot">The rank by descending count, in [0, vocabulary).</param>
/// <param name="Cluster">0 for the head's shortlist, i + 1 for tail i.</param>
/// <param name="Index">The position within the shortlist or the tail cluster.</param>
public readonly record struct TokenSlot(int Id, int Slot, int Cluster, int Index)
{
    /// <summary>Finds the cluster of a slot and its position there.</summary>
    /// <param name="id">The tokenizer's id.</param>
    /// <param name="slot">The slot, not negative.</param>
    /// <param name="cutoffs">Ascending first slots of the tail clusters.</param>
    public static TokenSlot Create(int id, int slot, ReadOnlySpan<int> cutoffs)
    {
        var cluster = SoftmaxLayout.FindCluster(slot, cutoffs);
        return new TokenSlot(id, slot, cluster, cluster == 0 ? slot : slot - cutoffs[cluster - 1]);
    }
}
