namespace AdaptiveSoftmax;

/// <summary>
/// Speculative decoding (Leviathan et al. 2023, Chen et al. 2023): verifies drafted tokens against a softmax, several in one call, so
/// that what comes out has the distribution that decoding token by token has, whatever the draft.
/// </summary>
/// <remarks>
/// <para>
/// Greedy decoding accepts tokens while they are the target's best, and gives the tokens of plain decoding. Draws accept a token with
/// min(1, p / q), and draw another from max(p − q, 0) where it is rejected; p is what temperature, filters, penalties, biases
/// and mask make of the target's distribution. <see cref="SamplerKind.Gumbel"/> draws accept a token that is the target's draw of
/// this position, and so give the very tokens of plain decoding with the same seed.
/// </para>
/// <para>
/// For an adaptive softmax a test computes the tail of the drafted token at most, where the mass of the others is known or its bounds
/// suffice; a rejection computes the tails on which the next draw falls. Use one for each thread.
/// </para>
/// </remarks>
public sealed class SpeculativeDecoding : IDisposable
{
    private readonly DecodeSession _session;

    /// <summary>Prepares to verify.</summary>
    /// <param name="target">The softmax to decode with, which must outlive this.</param>
    /// <param name="draftTokens">The token id of each token of the draft's vocabulary; empty for a draft that numbers tokens by their ids.</param>
    /// <exception cref="ArgumentException">A token is not in the target's vocabulary, or stands twice in the draft's.</exception>
    public SpeculativeDecoding(SoftmaxDecoder target, ReadOnlySpan<int> draftTokens = default)
    {
        Draft = new SpeculativeDraft(target, draftTokens);
        _session = target.CreateSession();
    }

    /// <summary>The drafted tokens of the next call.</summary>
    public SpeculativeDraft Draft { get; }

    /// <summary>What was done so far.</summary>
    public SpeculativeStatistics Statistics { get; private set; }

    /// <summary>
    /// Judges <see cref="Draft"/>: gives the tokens that are accepted, and one more, which is the target's own, in place of the first that
    /// is rejected or behind the last. The sequence takes them all in, and the draft is empty afterwards.
    /// </summary>
    /// <param name="hidden">
    /// The hidden vectors that the sequence, and then each drafted token, lead to, [drafted + 1, hidden]. Those behind a token that is
    /// rejected do not matter.
    /// </param>
    /// <param name="sequence">The sequence: options, random numbers and tokens so far. A token takes one position of the random numbers, as in plain decoding.</param>
    /// <param name="results">Receives the tokens; room for one more than were drafted.</param>
    /// <returns>The number of tokens, at least 1: one more than were accepted.</returns>
    /// <remarks>
    /// Logits have the bits that <see cref="DecodeSession.Sample(ReadOnlySpan{float}, ReadOnlySpan{DecodeSequence}, Span{DecodedToken})"/>
    /// gives a batch; without a draft so has the token.
    /// </remarks>
    /// <exception cref="ArgumentException">The sizes do not agree, the sequence is of another vocabulary, or its policy is not exact.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite, or mask and biases leave no token; sequence and draft are as they were.</exception>
    /// <exception cref="ObjectDisposedException">This or the softmax is disposed.</exception>
    public int Verify(ReadOnlySpan<float> hidden, DecodeSequence sequence, Span<DecodedToken> results)
    {
        var (drafted, before) = (Draft.Count, Statistics);
        var count = _session.Verify(hidden, Draft, sequence, results);
        var tails = 0;
        foreach (var result in results[..count]) tails += result.TailsVisited;
        Statistics = new SpeculativeStatistics(before.Verifications + 1, before.Drafted + drafted, before.Accepted + count - 1, before.Tokens + count, before.TailsVisited + tails);
        Draft.Clear();
        return count;
    }

    /// <summary>After <see cref="Verify"/>: the most probable tokens beside one of its results, as many as <see cref="DecodeOptions.TopLogProbs"/> asked for.</summary>
    /// <param name="index">The result.</param>
    /// <param name="tokens">Receives them, best first; token −1 where there are fewer.</param>
    /// <returns>Their number.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The last call gave fewer tokens.</exception>
    public int CopyTopLogProbs(int index, Span<TokenLogProb> tokens) => _session.CopyTopLogProbs(index, tokens);

    /// <summary>Releases the memory.</summary>
    public void Dispose() => _session.Dispose();
}
