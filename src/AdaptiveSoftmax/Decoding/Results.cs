namespace AdaptiveSoftmax;

/// <summary>A token and its log-prob.</summary>
/// <param name="Token">The token id.</param>
/// <param name="LogProb">The log-prob, of the kind that was asked for.</param>
public readonly record struct TokenLogProb(int Token, float LogProb);

/// <summary>A chosen token.</summary>
/// <param name="Token">The token id.</param>
/// <param name="LogProb">Its log-prob, of the kind that was asked for (<see cref="DecodeOptions.LogProbs"/>).</param>
/// <param name="Cluster">Where the token stands: 0 for the head's shortlist, i + 1 for tail i.</param>
/// <param name="TailsVisited">The number of tails that were computed.</param>
/// <param name="UnseenMass">
/// The probability of the tails that an approximate policy left out although they could have mattered; 0 where the result is exact.
/// </param>
public readonly record struct DecodedToken(int Token, float LogProb, int Cluster, int TailsVisited, float UnseenMass);

/// <summary>What a top-k call found.</summary>
/// <param name="Count">The tokens found: k, or fewer where mask and biases leave fewer or an approximate policy sees fewer.</param>
/// <param name="TailsVisited">The number of tails that were computed.</param>
/// <param name="UnseenMass">As in <see cref="DecodedToken"/>.</param>
public readonly record struct TopKResult(int Count, int TailsVisited, float UnseenMass);
