namespace AdaptiveSoftmax.Distributed;

/// <summary>The tokens of a batch of which each rank has some, put together in the order of the ranks.</summary>
/// <param name="Targets">The targets of all ranks, [tokens].</param>
/// <param name="Lengths">The tokens of each rank, [ranks].</param>
/// <param name="Weights">The weights of all ranks, [tokens]; none where no rank has any.</param>
/// <param name="First">This rank's first token.</param>
/// <param name="WantsLosses">Whether a rank wants the losses of its tokens: then all have room for them.</param>
internal sealed record GatheredTokens(int[] Targets, int[] Lengths, float[] Weights, int First, bool WantsLosses)
{
    /// <summary>Puts targets and weights together; a rank without weights, among others with some, has 1 for each token.</summary>
    public static GatheredTokens Gather(Collectives ranks, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, bool wantsLosses)
    {
        var all = ranks.AllGatherUneven(targets, out var lengths);
        ulong[] flags = [(weights.IsEmpty ? 0u : 1u) | (wantsLosses ? 2u : 0u)];
        ranks.AllReduceBits(flags);
        float[] allWeights = [];
        if ((flags[0] & 1) != 0)
        {
            var own = new float[targets.Length];
            if (weights.IsEmpty) Array.Fill(own, 1);
            else weights.CopyTo(own);
            allWeights = ranks.AllGatherUneven<float>(own, out _);
        }

        return new GatheredTokens(all, lengths, allWeights, lengths.Take(ranks.Rank).Sum(), (flags[0] & 2) != 0);
    }

    /// <summary>Where each rank's tokens end among those whose target counts, [ranks].</summary>
    public long[] ActiveEnds(int ignoreIndex)
    {
        var ends = new long[Lengths.Length];
        var (active, token) = (0L, 0);
        for (var rank = 0; rank < ends.Length; rank++)
        {
            for (var last = token + Lengths[rank]; token < last; token++) active += Targets[token] == ignoreIndex ? 0 : 1;
            ends[rank] = active;
        }

        return ends;
    }
}
