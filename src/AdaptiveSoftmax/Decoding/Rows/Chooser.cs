namespace AdaptiveSoftmax;

/// <summary>Top-p, then min-p, over tokens in descending order, and a draw from what they leave.</summary>
internal static class Chooser
{
    /// <summary>How many of the tokens top-p leaves: the fewest whose weights reach <paramref name="target"/>.</summary>
    /// <param name="row">The row, for temperature and reference.</param>
    /// <param name="keys">The tokens, best first.</param>
    /// <param name="target">The mass to reach; nothing reaches +∞.</param>
    public static int Nucleus(RowDecoder row, ReadOnlySpan<ulong> keys, double target)
    {
        var sum = 0.0;
        for (var i = 0; i < keys.Length; i++)
        {
            sum += Weight(row, keys[i]);
            if (sum >= target) return i + 1;
        }

        return keys.Length;
    }

    /// <summary>The lowest score that min-p leaves.</summary>
    public static float MinPLimit(RowDecoder row, float best) =>
        row.Options.MinP > 0 ? best + (MathF.Log(row.Options.MinP) / row.InverseTemperature) : float.NegativeInfinity;

    /// <summary>Draws one of the tokens that top-p and min-p leave.</summary>
    /// <param name="row">The row.</param>
    /// <param name="keys">The tokens, best first, at least one.</param>
    /// <param name="allMass">The mass that top-p is a fraction of; null for that of the tokens.</param>
    public static ulong Draw(RowDecoder row, ReadOnlySpan<ulong> keys, double? allMass)
    {
        var options = row.Options;
        if (options.TopP < 1)
        {
            var all = allMass ?? Sum(row, keys);
            keys = keys[..Nucleus(row, keys, options.TopP * all)];
        }

        var limit = MinPLimit(row, ScoreKey.Score(keys[0]));
        while (keys.Length > 1 && ScoreKey.Score(keys[^1]) < limit) keys = keys[..^1];

        if (options.Sampler == SamplerKind.Gumbel) return DrawByNoise(row, keys);
        var left = Sum(row, keys);
        if (row.Draft is { } draft) return KeptVerification.Choose(row, keys, left, draft);
        var target = row.Random(DrawPurpose.Filtered, 0) * left;
        foreach (var key in keys)
        {
            var weight = Weight(row, key);
            if (target < weight) return key;
            target -= weight;
        }

        return keys[0];
    }

    /// <summary>The weight of a token.</summary>
    public static double Weight(RowDecoder row, ulong key) => Math.Exp(((double)ScoreKey.Score(key) - row.Reference) * row.InverseTemperature);

    private static ulong DrawByNoise(RowDecoder row, ReadOnlySpan<ulong> keys)
    {
        var (best, most) = (keys[0], double.NegativeInfinity);
        foreach (var key in keys)
        {
            var value = ((double)ScoreKey.Score(key) * row.InverseTemperature) + row.Noise.Of(ScoreKey.Slot(key));
            if (value > most || (value == most && ScoreKey.Slot(key) < ScoreKey.Slot(best))) (best, most) = (key, value);
        }

        return best;
    }

    private static double Sum(RowDecoder row, ReadOnlySpan<ulong> keys)
    {
        var sum = 0.0;
        foreach (var key in keys) sum += Weight(row, key);
        return sum;
    }
}
