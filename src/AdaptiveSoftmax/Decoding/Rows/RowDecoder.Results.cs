namespace AdaptiveSoftmax;

// What a finished row gives to its caller.
internal sealed unsafe partial class RowDecoder
{
    /// <summary>A chosen token.</summary>
    /// <param name="vocabulary">The ids of slots.</param>
    /// <param name="key">The token's key; that of none gives none.</param>
    public DecodedToken Report(ISoftmaxVocabulary vocabulary, ulong key)
    {
        if (key == ScoreKey.None) return new DecodedToken(-1, float.NaN, -1, 0, 0);
        var slot = ScoreKey.Slot(key);
        return new DecodedToken(vocabulary.TokenOf(slot), ReportedLogProb(key), _layout.ClusterOf(slot), TailsVisited, UnseenMass);
    }

    /// <summary>Ends a row of which no token is drawn, and copies the best ones.</summary>
    /// <param name="vocabulary">The ids of slots.</param>
    /// <param name="tokens">Receives the tokens, best first; −1 where there are fewer.</param>
    /// <param name="logProbs">Receives their log-probs.</param>
    public TopKResult CopyTop(ISoftmaxVocabulary vocabulary, Span<int> tokens, Span<float> logProbs)
    {
        FinishTop();
        tokens.Fill(-1);
        logProbs.Fill(float.NegativeInfinity);
        for (var i = 0; i < Top.Length; i++) (tokens[i], logProbs[i]) = (vocabulary.TokenOf(ScoreKey.Slot(Top[i])), ReportedLogProb(Top[i]));
        return new TopKResult(Top.Length, TailsVisited, UnseenMass);
    }

    /// <summary>Copies the best tokens of a finished row, at most as many as its options asked for.</summary>
    /// <param name="vocabulary">The ids of slots.</param>
    /// <param name="tokens">Receives them, best first; token −1 where there are fewer.</param>
    /// <returns>Their number.</returns>
    public int CopyTopLogProbs(ISoftmaxVocabulary vocabulary, Span<TokenLogProb> tokens)
    {
        var count = Math.Min(Math.Min(Options.TopLogProbs, Top.Length), tokens.Length);
        tokens[count..].Fill(new TokenLogProb(-1, float.NegativeInfinity));
        for (var i = 0; i < count; i++) tokens[i] = new TokenLogProb(vocabulary.TokenOf(ScoreKey.Slot(Top[i])), ReportedLogProb(Top[i]));
        return count;
    }
}
