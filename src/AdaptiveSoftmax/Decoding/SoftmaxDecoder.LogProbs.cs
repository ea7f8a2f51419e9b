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
    public unsafe void LogProb(ReadOnlySpan<float> hidden, Span<float> output)
    {
        var tokens = CheckHidden(hidden);
        if (output.Length != (long)tokens * Layout.VocabularySize)
            throw new ArgumentException($"The output has room for {output.Length} log-probs of {tokens} × {Layout.VocabularySize}; give [tokens, vocabulary], in several calls where a span cannot hold it.", nameof(output));
        var scratch = ScratchPool.Rent();
        try
        {
            fixed (float* vectors = hidden, logProbs = output)
            {
                if (tokens <= MaximumTokensOneByOne)
                {
                    for (var token = 0; token < tokens; token++)
                        LogProbOne(scratch, vectors + ((nint)token * Layout.HiddenSize), logProbs + ((nint)token * Layout.VocabularySize));
                    return;
                }

                for (var first = 0; first < tokens; first += DecodeBlockSize)
                    LogProbBlock(scratch, vectors + ((nint)first * Layout.HiddenSize), Math.Min(DecodeBlockSize, tokens - first), logProbs + ((nint)first * Layout.VocabularySize));
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }
    }

    private unsafe void LogProbOne(Scratch scratch, float* hidden, float* output)
    {
        var shortlist = Layout.ShortlistSize;
        var head = scratch.Floats(ScratchBuffer.Logits, Layout.HeadRows);
        var headLogSumExp = DecodingHead.ForwardOne(Pool, scratch, hidden, head);
        SoftmaxKernel.LogProbs(head, shortlist, headLogSumExp, cluster: 0, output);
        foreach (var tail in Layout.Tails)
        {
            var logProbs = output + tail.Start;
            var logSumExp = DecodingTails[tail.Index].ForwardOne(Pool, scratch, hidden, logProbs);
            SoftmaxKernel.LogProbs(logProbs, tail.Size, logSumExp, BestScore.Of(head[shortlist + tail.Index], headLogSumExp, 0), logProbs);
        }
    }

    private unsafe void LogProbBlock(Scratch scratch, float* hidden, int tokens, float* output)
    {
        var inputs = HiddenLanes(scratch, hidden, tokens, Layout.HiddenSize, out var lanes);
        var clusters = HeadBlock(scratch, inputs, lanes);
        var none = scratch.Floats(ScratchBuffer.BestScore, lanes);
        new Span<float>(none, lanes).Clear();
        LogProbWriter.Write(Pool, scratch, lanes, tokens, Layout.ShortlistSize, none, output, Layout.VocabularySize);
        foreach (var tail in Layout.Tails)
        {
            DecodingTails[tail.Index].Forward(Pool, scratch, inputs, lanes);
            LogProbWriter.Write(Pool, scratch, lanes, tokens, tail.Size, clusters + ((nint)tail.Index * lanes), output + tail.Start, Layout.VocabularySize);
        }
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
