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
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    /// <exception cref="DecodeException">For some hidden vectors a value is not finite: their log-probs are NaN, all others are computed.</exception>
    public unsafe void LogProb(ReadOnlySpan<float> hidden, Span<float> output)
    {
        var tokens = CheckHidden(hidden);
        if (output.Length != (long)tokens * Layout.VocabularySize)
            throw new ArgumentException($"The output has room for {output.Length} log-probs of {tokens} × {Layout.VocabularySize}; give [tokens, vocabulary], in several calls where a span cannot hold it.", nameof(output));
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
        var head = scratch.Floats(ScratchBuffer.Logits, Layout.HeadRows);
        var headLogSumExp = DecodingHead.ForwardOne(Pool, scratch, hidden, head);
        var failed = float.IsFinite(headLogSumExp) ? null : head;
        var cluster = -1;
        SoftmaxKernel.LogProbs(head, shortlist, headLogSumExp, cluster: 0, output);
        for (var i = 0; i < Layout.ClusterCount && failed is null; i++)
        {
            var tail = Layout.Tails[i];
            var logProbs = output + tail.Start;
            var logSumExp = DecodingTails[i].ForwardOne(Pool, scratch, hidden, logProbs);
            if (float.IsFinite(logSumExp))
            {
                SoftmaxKernel.LogProbs(logProbs, tail.Size, logSumExp, BestScore.Of(head[shortlist + i], headLogSumExp, 0), logProbs);
                continue;
            }

            failed = logProbs;
            cluster = i;
        }

        if (failed is null) return;
        faults.AddNotFinite(this, number, cluster, hidden, failed, step: 1);
        new Span<float>(output, Layout.VocabularySize).Fill(float.NaN);
    }

    private unsafe void LogProbBlock(Scratch scratch, float* hidden, int first, int tokens, float* output, ref DecodeFaults faults)
    {
        var inputs = HiddenLanes(scratch, hidden, tokens, Layout.HiddenSize, out var lanes);
        var clusters = HeadBlock(scratch, inputs, lanes);
        var none = scratch.Floats(ScratchBuffer.BestScore, lanes);
        new Span<float>(none, lanes).Clear();
        var mayFail = FindFaults(scratch, hidden, first, tokens, lanes, cluster: -1, ref faults);
        LogProbWriter.Write(Pool, scratch, lanes, tokens, Layout.ShortlistSize, none, output, Layout.VocabularySize);
        foreach (var tail in Layout.Tails)
        {
            DecodingTails[tail.Index].Forward(Pool, scratch, inputs, lanes);
            mayFail |= FindFaults(scratch, hidden, first, tokens, lanes, tail.Index, ref faults);
            LogProbWriter.Write(Pool, scratch, lanes, tokens, tail.Size, clusters + ((nint)tail.Index * lanes), output + tail.Start, Layout.VocabularySize);
        }

        for (var token = 0; token < tokens && mayFail; token++)
        {
            if (faults.Contains(first + token)) new Span<float>(output + ((nint)token * Layout.VocabularySize), Layout.VocabularySize).Fill(float.NaN);
        }
    }

    // After a forward pass over a block: records its tokens that have no log-sum-exp and had not failed before.
    private unsafe bool FindFaults(Scratch scratch, float* hidden, int first, int tokens, int lanes, int cluster, ref DecodeFaults faults)
    {
        var rows = cluster < 0 ? Layout.HeadRows : Layout.Tails[cluster].Size;
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)rows * lanes);
        var logSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        var any = false;
        for (var token = 0; token < tokens; token++)
        {
            if (float.IsFinite(logSumExp[token])) continue;
            any = true;
            if (!faults.Contains(first + token)) faults.AddNotFinite(this, first + token, cluster, hidden + ((nint)token * Layout.HiddenSize), logits + token, lanes);
        }

        return any;
    }

    internal static unsafe float* HiddenLanes(Scratch scratch, float* hidden, int tokens, int hiddenSize, out int lanes)
    {
        lanes = TokenBlocks.LanesFor(tokens);
        var inputs = scratch.Floats(ScratchBuffer.Lanes, (long)lanes * hiddenSize);
        Transpose.ToLanes(hidden, tokens, hiddenSize, inputs, lanes);
        return inputs;
    }

    // The head's logits stay in the scratch memory until a tail takes their place; the clusters' log-probs are kept.
    private unsafe float* HeadBlock(Scratch scratch, float* inputs, int lanes)
    {
        DecodingHead.Forward(Pool, scratch, inputs, lanes);
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)Layout.HeadRows * lanes) + ((nint)Layout.ShortlistSize * lanes);
        var logSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        var clusters = scratch.Floats(ScratchBuffer.ClusterLogProbs, (long)Layout.ClusterCount * lanes);
        for (var i = 0; i < Layout.ClusterCount * lanes; i++) clusters[i] = BestScore.Of(logits[i], logSumExp[i % lanes], 0);
        return clusters;
    }
}
