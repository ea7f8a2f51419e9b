namespace AdaptiveSoftmax.Distributed;

/// <summary>What the loss needs of some blocks of rows: the log-sum-exp of each token's logits, and their sum where it is wanted.</summary>
/// <param name="Values">The log-sum-exps, [tokens], then the sums, [tokens] or none.</param>
/// <param name="Tokens">The tokens.</param>
internal sealed unsafe record BlockSums(double[] Values, int Tokens)
{
    /// <summary>Those of one block.</summary>
    public static BlockSums Of(in LogitBlock logits, int tokens)
    {
        var values = new double[logits.LogitSum is null ? tokens : 2 * tokens];
        for (var token = 0; token < tokens; token++) values[token] = logits.LogSumExp[token];
        for (var i = tokens; i < values.Length; i++) values[i] = logits.LogitSum[i - tokens];
        return new BlockSums(values, tokens);
    }

    /// <summary>Those of two neighbours together.</summary>
    public static BlockSums Add(BlockSums left, BlockSums right)
    {
        var values = new double[left.Values.Length];
        for (var i = 0; i < values.Length; i++) values[i] = i < left.Tokens ? LogAdd(left.Values[i], right.Values[i]) : left.Values[i] + right.Values[i];
        return new BlockSums(values, left.Tokens);
    }

    // log(eˣ + eʸ); NaN where one is not finite.
    private static double LogAdd(double x, double y)
    {
        var top = Math.Max(x, y);
        return top + Math.Log(Math.Exp(x - top) + Math.Exp(y - top));
    }
}
