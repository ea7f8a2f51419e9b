namespace AdaptiveSoftmax;

// The log-probs of all tokens, and what every form of decoding has in common.
public abstract partial class SoftmaxDecoder
{
    // Up to here one product a token is cheaper than filling a block of lanes.
    private const int MaximumTokensOneByOne = 7;

    /// <summary>All log-probs: PyTorch's <c>log_prob</c>.</summary>
    /// <remarks>
    /// Up to 7 hidden vectors are taken one by one, more of them in blocks, whose products round differently in the last
    /// bits. <see cref="Predict(ReadOnlySpan{float}, Span{int})"/> of the same vectors in one call agrees to the bit.
    /// </remarks>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="output">Receives log p(token), [tokens, vocabulary], columns in slot order.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or vectors and log-probs share memory.</exception>
    /// <exception cref="DecodeException">For some hidden vectors a value is not finite: their log-probs are NaN, all others are computed.</exception>
    public unsafe void LogProb(ReadOnlySpan<float> hidden, Span<float> output)
    {
        var tokens = CheckHidden(hidden);
        if (output.Length != (long)tokens * Layout.VocabularySize)
            throw new ArgumentException(FormattableString.Invariant($"The output has room for {output.Length} log-probs of {tokens} × {Layout.VocabularySize}; give [tokens, vocabulary], in several calls where a span cannot hold it."), nameof(output));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)output, "the hidden vectors", "the log-probs", nameof(output));
        var faults = default(DecodeFaults);
        var scratch = ScratchPool.Rent();
        try
        {
            fixed (float* vectors = hidden, logProbs = output)
            {
                var blockSize = tokens <= MaximumTokensOneByOne ? 1 : DecodeBlockSize;
                for (var first = 0; first < tokens; first += blockSize)
                {
                    float* vector = vectors + ((nint)first * Layout.HiddenSize), target = logProbs + ((nint)first * Layout.VocabularySize);
                    if (blockSize == 1) LogProbOne(scratch, vector, first, target, ref faults);
                    else LogProbBlock(scratch, vector, first, Math.Min(blockSize, tokens - first), target, ref faults);
                }
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }

        faults.ThrowIfAny();
    }

    private unsafe void LogProbOne(Scratch scratch, float* hidden, int number, float* output, ref DecodeFaults faults)
    {
        var shortlist = Layout.ShortlistSize;
        using var scope = scratch.Begin();
        var head = DecodingHead.ForwardOne(Pool, scratch, hidden, scratch.Floats(Layout.HeadRows));
        var failed = float.IsFinite(head.LogSumExp[0]) ? null : head.Logits;
        var failedTail = -1;
        SoftmaxKernel.LogProbs(head.Logits, shortlist, head.LogSumExp[0], cluster: 0, output);
        for (var i = 0; i < Layout.TailCount && failed is null; i++)
        {
            var tail = Layout.Tails[i];
            var logProbs = output + tail.Start;
            var logSumExp = DecodingTails[i].ForwardOne(Pool, scratch, hidden, logProbs).LogSumExp[0];
            if (float.IsFinite(logSumExp))
            {
                SoftmaxKernel.LogProbs(logProbs, tail.Size, logSumExp, BestScore.Of(head.Logits[shortlist + i], head.LogSumExp[0], 0), logProbs);
                continue;
            }

            failed = logProbs;
            failedTail = i;
        }

        if (failed is null) return;
        faults.AddNotFinite(this, number, failedTail, hidden, failed, step: 1);
        new Span<float>(output, Layout.VocabularySize).Fill(float.NaN);
    }

    private unsafe void LogProbBlock(Scratch scratch, float* hidden, int first, int tokens, float* output, ref DecodeFaults faults)
    {
        using var scope = scratch.Begin();
        var inputs = HiddenLanes(scratch, hidden, members: null, tokens, out var lanes);
        var head = DecodingHead.Forward(Pool, scratch, inputs, lanes);
        var clusters = ClusterLogProbs(scratch, head);
        var none = scratch.Floats(lanes);
        new Span<float>(none, lanes).Clear();
        var mayFail = FindFaults(head, hidden, first, tokens, tail: -1, ref faults);
        LogProbWriter.Write(Pool, head, tokens, Layout.ShortlistSize, none, output, Layout.VocabularySize);
        foreach (var tail in Layout.Tails)
        {
            using var ofTail = scratch.Begin();
            var logits = DecodingTails[tail.Index].Forward(Pool, scratch, inputs, lanes);
            mayFail |= FindFaults(logits, hidden, first, tokens, tail.Index, ref faults);
            LogProbWriter.Write(Pool, logits, tokens, tail.Size, clusters + ((nint)tail.Index * lanes), output + tail.Start, Layout.VocabularySize);
        }

        for (var token = 0; token < tokens && mayFail; token++)
        {
            if (faults.Contains(first + token)) new Span<float>(output + ((nint)token * Layout.VocabularySize), Layout.VocabularySize).Fill(float.NaN);
        }
    }

    // After a forward pass over a block: records its tokens that have no log-sum-exp and had not failed before.
    private unsafe bool FindFaults(in LogitBlock logits, float* hidden, int first, int tokens, int tail, ref DecodeFaults faults)
    {
        var any = false;
        for (var token = 0; token < tokens; token++)
        {
            if (float.IsFinite(logits.LogSumExp[token])) continue;
            any = true;
            if (!faults.Contains(first + token)) faults.AddNotFinite(this, first + token, tail, hidden + ((nint)token * Layout.HiddenSize), logits.Logits + token, logits.Lanes);
        }

        return any;
    }

    // The hidden vectors of some rows, of the first ones without members, as [hidden, lanes].
    internal unsafe float* HiddenLanes(Scratch scratch, float* hidden, int* members, int count, out int lanes)
    {
        lanes = TokenBlocks.LanesFor(count);
        var inputs = scratch.Floats((long)lanes * Layout.HiddenSize);
        Transpose.Gather(Pool, hidden, members, count, Layout.HiddenSize, inputs, lanes);
        return inputs;
    }

    // Of the tails, [tails, lanes].
    private unsafe float* ClusterLogProbs(Scratch scratch, in LogitBlock head)
    {
        var logits = head.Logits + ((nint)Layout.ShortlistSize * head.Lanes);
        var clusters = scratch.Floats((long)Layout.TailCount * head.Lanes);
        for (var i = 0; i < Layout.TailCount * head.Lanes; i++) clusters[i] = BestScore.Of(logits[i], head.LogSumExp[i % head.Lanes], 0);
        return clusters;
    }
}
