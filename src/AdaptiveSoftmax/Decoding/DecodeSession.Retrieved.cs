namespace AdaptiveSoftmax;

// Decoding with what a retriever found.
public sealed unsafe partial class DecodeSession
{
    /// <summary>
    /// The most probable tokens of the mixture (1 − λ) p + λ q, where p is the softmax and q what was retrieved. Exact: no token of
    /// a tail has more than (1 − λ) of the tail's own probability and λ of the greatest retrieved one in it, so only tails are
    /// computed that can hold one of the best.
    /// </summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <param name="retrieved">q. Where it has no token that may be chosen, the model decides alone.</param>
    /// <param name="weight">λ, from 0, which gives what the call without it gives, to 1.</param>
    /// <param name="tokens">Receives token ids, best first, [k], and −1 where there are fewer; of equally probable ones the lower slot is better.</param>
    /// <param name="logProbs">Receives their log-probs in the mixture, [k]; −∞ where there are fewer.</param>
    /// <param name="options">
    /// Penalties, biases, mask and policy, which act on p and q alike before they are mixed; null for none. Temperature and filters
    /// do not matter here.
    /// </param>
    /// <param name="history">The tokens so far, for penalties; null for none.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, vectors and log-probs share memory, an option or λ is out of range, or the retrieved tokens are of another vocabulary.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public TopKResult TopK(ReadOnlySpan<float> hidden, RetrievedTokens retrieved, float weight, Span<int> tokens, Span<float> logProbs, DecodeOptions? options = null, TokenHistory? history = null)
    {
        ArgumentNullException.ThrowIfNull(retrieved);
        RetrievedTokens.Check(_softmax, retrieved, weight);
        return TopK(hidden, new Retrieval(retrieved, weight), tokens, logProbs, options, history);
    }

    /// <summary>The most probable token of the mixture (1 − λ) p + λ q; of equally probable ones that of the lower slot.</summary>
    /// <inheritdoc cref="TopK(ReadOnlySpan{float}, RetrievedTokens, float, Span{int}, Span{float}, DecodeOptions?, TokenHistory?)"/>
    /// <returns>A token id.</returns>
    public int Predict(ReadOnlySpan<float> hidden, RetrievedTokens retrieved, float weight)
    {
        Span<int> token = [0];
        Span<float> logProb = [0];
        TopK(hidden, retrieved, weight, token, logProb);
        return token[0];
    }

    /// <summary>
    /// Draws the next token from the mixture (1 − λ) p + λ q. The temperature acts on p, penalties, biases and mask on p and q alike,
    /// and the filters on the mixture.
    /// </summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <param name="retrieved">q. Where it has no token that may be chosen, the model decides alone.</param>
    /// <param name="weight">λ, from 0, which gives what the call without it gives, to 1.</param>
    /// <param name="options">How the token is chosen; at a temperature of 0 it is the best of the mixture.</param>
    /// <param name="random">Where the random numbers stand; moves on by one position.</param>
    /// <param name="history">The tokens so far, for penalties; null for none. It is left as it is.</param>
    /// <returns>The token with its log-prob in the mixture, of the kind that was asked for.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, an option or λ is out of range, or the retrieved tokens are of another vocabulary.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite, or mask, biases and policy together leave no token.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public DecodedToken Sample(ReadOnlySpan<float> hidden, RetrievedTokens retrieved, float weight, DecodeOptions options, ref SampleRandom random, TokenHistory? history = null)
    {
        ArgumentNullException.ThrowIfNull(retrieved);
        RetrievedTokens.Check(_softmax, retrieved, weight);
        return Sample(hidden, new Retrieval(retrieved, weight), options, ref random, history);
    }

    private TopKResult TopK(ReadOnlySpan<float> hidden, Retrieval retrieval, Span<int> tokens, Span<float> logProbs, DecodeOptions? options, TokenHistory? history)
    {
        if (logProbs.Length != tokens.Length)
            throw new ArgumentException($"There is room for {tokens.Length} tokens and {logProbs.Length} log-probs; give one place each.", nameof(logProbs));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)logProbs, "the hidden vectors", "the log-probs", nameof(logProbs));
        Check(hidden, ref options, history);
        using var step = Begin();
        var start = DecodeMetrics.Start();
        if (RanksByLogits(options) && !retrieval.IsActive) return TopKByLogits(hidden, tokens, logProbs, options, history, start);
        RunOne(hidden, options, history, default, tokens.Length, wantsDraw: false, retrieval);
        var result = _row.CopyTop(_softmax, tokens, logProbs);

        // By the best token, which is where a step of one token would have ended.
        if (_row.Top.Length > 0) DecodeMetrics.Record(start, _softmax.Tags, BestCluster(_row), _row.TailsVisited);
        if (_row.UnseenMass > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, options.Policy.ToString());
        return result;
    }

    private DecodedToken Sample(ReadOnlySpan<float> hidden, Retrieval retrieval, DecodeOptions options, ref SampleRandom random, TokenHistory? history)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(hidden, ref options!, history);
        using var step = Begin();
        var start = DecodeMetrics.Start();
        if (DrawsByLogits(options, retrieval)) return DrawByLogits(hidden, options, ref random, history, start, retrieval);
        RunOne(hidden, options, history, random, options.TopLogProbs, wantsDraw: true, retrieval);
        var key = _row.Finish();
        if (key == ScoreKey.None)
        {
            var faults = default(DecodeFaults);
            faults.AddNoTokenLeft(row: 0);
            faults.ThrowIfAny();
        }

        var result = _row.Report(_softmax, key);
        random = random.Next();
        DecodeMetrics.Record(start, _softmax.Tags, result.Cluster, result.TailsVisited);
        if (result.UnseenMass > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, options.Policy.ToString());
        return result;
    }

    // With retrieved tokens, filters and greedy choices need the mixture itself.
    private static bool DrawsByLogits(DecodeOptions options, Retrieval retrieval) => options.Sampler == SamplerKind.Gumbel
        && (!retrieval.IsActive || (options.Temperature > 0 && options.TopK == 0 && options.TopP >= 1 && options.MinP == 0));

    // A draw from all tokens: from q by λ, else by logits. Without a source these are decided on, or computed where a log-prob of a
    // retrieved token needs them.
    private DecodedToken DrawMixture(LogitSource? source, float* vector, DecodeOptions options, SampleRandom random, TokenHistory? history, Retrieval retrieval)
    {
        _mixture.Begin(retrieval, options, history, _softmax.Layout);
        var (slot, logProb) = (-1, float.NaN);
        if (_mixture.MayBeChosen && random.For(DrawPurpose.Retrieved, 0) < _mixture.Weight)
        {
            slot = _mixture.Draw(random.For(DrawPurpose.Retrieved, 1));
            if (source is null && LogitDecoder.WantsLogProbs(options)) source = ComputeAll(vector);
            if (source is not null) logProb = source.LogProb(source.Logit(slot));
        }
        else
        {
            if (source is null) source = Decide(vector, options, history, random, count: 1, wantsDraw: true);
            else _logits.TryDraw(_softmax.Pool, source, options, history, random);
            if (_logits.Found.Length == 0) return Drawn(source, options);
            (slot, logProb) = (_logits.Found[0].Row, source.LogProb(_logits.Found[0].Logit));
        }

        return new DecodedToken(_softmax.TokenOf(slot), LogitDecoder.WantsLogProbs(options) ? _mixture.LogProbOf(slot, logProb) : float.NaN, Cluster: 0, TailsVisited: 0, UnseenMass: 0);
    }
}
