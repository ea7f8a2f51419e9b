namespace AdaptiveSoftmax;

/// <summary>Judges a drafted token among the few that filters leave, and draws another of these where it is rejected.</summary>
internal static class KeptVerification
{
    /// <summary>The drafted token, accepted with min(1, p / q), else a draw from max(p − q, 0).</summary>
    /// <param name="row">The row, for weights and random numbers.</param>
    /// <param name="keys">The tokens that are left, at least one.</param>
    /// <param name="total">The weight of all of them.</param>
    /// <param name="draft">The draft.</param>
    public static ulong Choose(RowDecoder row, ReadOnlySpan<ulong> keys, double total, DraftDistribution draft)
    {
        var (drafted, left) = (ScoreKey.None, 0.0);
        foreach (var key in keys)
        {
            if (ScoreKey.Slot(key) == draft.Slot) drafted = key;
        }

        if (drafted != ScoreKey.None && row.Random(DrawPurpose.Verification, 0) * draft.Probability * total < Chooser.Weight(row, drafted)) return drafted;
        foreach (var key in keys) left += Left(row, key, total, draft);

        // Where the draft leaves nothing but rounding, both are one distribution.
        if (left == 0) return drafted != ScoreKey.None ? drafted : keys[0];
        var (target, last) = (row.Random(DrawPurpose.Residual, 0) * left, ScoreKey.None);
        foreach (var key in keys)
        {
            var weight = Left(row, key, total, draft);
            if (weight == 0) continue;
            last = key;
            if (target < weight) return key;
            target -= weight;
        }

        return last;
    }

    private static double Left(RowDecoder row, ulong key, double total, DraftDistribution draft) =>
        Math.Max(0, Chooser.Weight(row, key) - (draft.Of(ScoreKey.Slot(key)) * total));
}
