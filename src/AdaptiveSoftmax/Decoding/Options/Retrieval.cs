namespace AdaptiveSoftmax;

/// <summary>What is mixed into one hidden vector's distribution: q, and its weight λ.</summary>
internal readonly record struct Retrieval(RetrievedTokens? Tokens, float Weight)
{
    /// <summary>Whether anything is mixed in.</summary>
    public bool IsActive => Weight > 0 && Tokens?.Count > 0;
}
