namespace AdaptiveSoftmax;

public abstract partial class AdaptiveSoftmaxLayer
{
    // Up to here one product a token is cheaper than filling a block of lanes.
    private const int MaximumTokensOneByOne = 7;

    /// <summary>All log-probs: PyTorch's <c>log_prob</c>.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="output">Receives log p(token), [tokens, vocabulary], columns in slot order.</param>
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    public unsafe void LogProb(ReadOnlySpan<float> hidden, Span<float> output)
    {
        var tokens = CheckHidden(hidden);
        if (output.Length != (long)tokens * Layout.VocabularySize)
            throw new ArgumentException($"The output has room for {output.Length} log-probs of {tokens} × {Layout.VocabularySize}; give [tokens, vocabulary], in several calls where a span cannot hold it.", nameof(output));
        var scratch = _scratch.Rent();
        try
        {
            fixed (float* vectors = hidden, logProbs = output)
            {
                for (var first = 0; first < tokens; first += _decodeBlockSize)
                    LogProbBlock(scratch, vectors + ((nint)first * Layout.HiddenSize), Math.Min(_decodeBlockSize, tokens - first), logProbs + ((nint)first * Layout.VocabularySize));
            }
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    /// <summary>The most probable token of one hidden vector: PyTorch's <c>predict</c>.</summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <returns>A token id; of equally probable ones that of the lower slot.</returns>
    /// <exception cref="ArgumentException">It is not one hidden vector.</exception>
    public int Predict(ReadOnlySpan<float> hidden)
    {
        if (hidden.Length != Layout.HiddenSize)
            throw new ArgumentException($"The hidden vector has {hidden.Length} values; the hidden size is {Layout.HiddenSize}.", nameof(hidden));
        Span<int> token = [0];
        Predict(hidden, token);
        return token[0];
    }

    /// <summary>The most probable token of each hidden vector.</summary>
    /// <remarks>
    /// Exact, yet it computes only the tails that can win: a tail's own log-prob bounds that of each of its tokens.
    /// </remarks>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="tokens">Receives token ids, [tokens]; of equally probable ones that of the lower slot.</param>
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    public unsafe void Predict(ReadOnlySpan<float> hidden, Span<int> tokens)
    {
        var count = CheckHidden(hidden);
        if (tokens.Length != count)
            throw new ArgumentException($"There is room for {tokens.Length} predictions of {count} hidden vectors; give one place each.", nameof(tokens));
        var scratch = _scratch.Rent();
        try
        {
            fixed (float* vectors = hidden)
            {
                if (count <= MaximumTokensOneByOne)
                {
                    for (var token = 0; token < count; token++)
                        tokens[token] = GetTokenId(PredictOne(scratch, vectors + ((nint)token * Layout.HiddenSize)));
                    return;
                }

                for (var first = 0; first < count; first += _decodeBlockSize)
                {
                    var block = Math.Min(_decodeBlockSize, count - first);
                    PredictBlock(scratch, vectors + ((nint)first * Layout.HiddenSize), tokens.Slice(first, block));
                }
            }
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    private unsafe void LogProbBlock(Scratch scratch, float* hidden, int tokens, float* output)
    {
        var lanes = TokenBlocks.LanesFor(tokens);
        int vocabulary = Layout.VocabularySize, shortlist = Layout.ShortlistSize;
        var inputs = scratch.Floats(ScratchBuffer.Lanes, (long)lanes * Layout.HiddenSize);
        Transpose.ToLanes(hidden, tokens, Layout.HiddenSize, inputs, lanes);
        _head.Forward(_pool, scratch, inputs, lanes, withLogSumExp: true, withLogitSum: false);
        var clusters = SubtractLogSumExp(scratch, Layout.HeadRows, lanes) + ((nint)shortlist * lanes);
        Transpose.FromLanes(scratch.Floats(ScratchBuffer.Logits, (long)Layout.HeadRows * lanes), lanes, tokens, shortlist, output, vocabulary);
        var clusterLogProbs = scratch.Floats(ScratchBuffer.ClusterLogits, (long)Layout.ClusterCount * lanes);
        new ReadOnlySpan<float>(clusters, Layout.ClusterCount * lanes).CopyTo(new Span<float>(clusterLogProbs, Layout.ClusterCount * lanes));
        foreach (var tail in Layout.Tails)
        {
            _tails[tail.Index].Forward(_pool, scratch, inputs, lanes, withLogitSum: false);
            var logProbs = SubtractLogSumExp(scratch, tail.Size, lanes);
            var cluster = clusterLogProbs + ((nint)tail.Index * lanes);
            for (var row = 0; row < tail.Size; row++)
            {
                var line = logProbs + ((nint)row * lanes);
                for (var lane = 0; lane < lanes; lane++) line[lane] += cluster[lane];
            }

            Transpose.FromLanes(logProbs, lanes, tokens, tail.Size, output + tail.Start, vocabulary);
        }
    }

    private static unsafe float* SubtractLogSumExp(Scratch scratch, int rows, int lanes)
    {
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)rows * lanes);
        var logSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        for (var row = 0; row < rows; row++)
        {
            var line = logits + ((nint)row * lanes);
            for (var lane = 0; lane < lanes; lane++) line[lane] -= logSumExp[lane];
        }

        return logits;
    }

    // Scores are log-probs plus the head's log-sum-exp, which all tokens share: a shortlist token's is its logit, a tail
    // token's is the cluster's logit plus its log-prob within the cluster, which is never above 0, because the
    // log-sum-exp is the maximum plus the logarithm of a sum of at least 1.
    private unsafe int PredictOne(Scratch scratch, float* hidden)
    {
        var head = scratch.Floats(ScratchBuffer.ClusterLogits, Layout.HeadRows);
        _head.Logits(_pool, hidden, head);
        var best = ArgMax.IndexOfFirst(head, Layout.ShortlistSize);
        var score = head[best];
        var clusters = head + Layout.ShortlistSize;
        while (true)
        {
            // The most probable cluster left; a visited one is marked by −∞.
            var cluster = Layout.ClusterCount == 0 ? -1 : ArgMax.IndexOfFirst(clusters, Layout.ClusterCount);
            if (cluster < 0 || !(clusters[cluster] > score || (clusters[cluster] == score && Layout.Tails[cluster].Start < best))) return best;
            var tail = Layout.Tails[cluster];
            var logits = scratch.Floats(ScratchBuffer.Logits, tail.Size);
            _tails[cluster].Logits(_pool, scratch, hidden, logits);
            var index = ArgMax.IndexOfFirst(logits, tail.Size);
            var candidate = clusters[cluster] - MathF.Log(SoftmaxKernel.SumExp(logits, tail.Size, logits[index]));
            if (candidate > score || (candidate == score && tail.Start + index < best)) (best, score) = (tail.Start + index, candidate);
            clusters[cluster] = float.NegativeInfinity;
        }
    }

    private unsafe void PredictBlock(Scratch scratch, float* hidden, Span<int> tokens)
    {
        var lanes = TokenBlocks.LanesFor(tokens.Length);
        var inputs = scratch.Floats(ScratchBuffer.Lanes, (long)lanes * Layout.HiddenSize);
        Transpose.ToLanes(hidden, tokens.Length, Layout.HiddenSize, inputs, lanes);
        _head.Forward(_pool, scratch, inputs, lanes, withLogSumExp: false, withLogitSum: false);
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)Layout.HeadRows * lanes);
        var score = scratch.Floats(ScratchBuffer.BestScore, lanes);
        var slot = scratch.Ints(ScratchBuffer.BestSlot, lanes);
        ArgMax.OfRows(logits, lanes, Layout.ShortlistSize, score, slot);
        var clusters = scratch.Floats(ScratchBuffer.ClusterLogits, (long)Layout.ClusterCount * lanes);
        new ReadOnlySpan<float>(logits + ((nint)Layout.ShortlistSize * lanes), Layout.ClusterCount * lanes).CopyTo(new Span<float>(clusters, Layout.ClusterCount * lanes));
        for (var cluster = 0; cluster < Layout.ClusterCount; cluster++)
            PredictTail(scratch, hidden, tokens.Length, cluster, clusters + ((nint)cluster * lanes), score, slot);
        for (var token = 0; token < tokens.Length; token++) tokens[token] = GetTokenId(slot[token]);
    }

    // The tokens of the block that this cluster can still win.
    private unsafe void PredictTail(Scratch scratch, float* hidden, int tokens, int cluster, float* clusterLogits, float* score, int* slot)
    {
        var tail = Layout.Tails[cluster];
        var members = scratch.Ints(ScratchBuffer.Order, tokens);
        var count = 0;
        for (var token = 0; token < tokens; token++)
        {
            if (clusterLogits[token] > score[token]) members[count++] = token;
        }

        if (count == 0) return;
        var lanes = TokenBlocks.LanesFor(count);
        var rows = scratch.Floats(ScratchBuffer.Rows, (long)lanes * Layout.HiddenSize);
        for (var i = 0; i < count; i++)
            new ReadOnlySpan<float>(hidden + ((nint)members[i] * Layout.HiddenSize), Layout.HiddenSize).CopyTo(new Span<float>(rows + ((nint)i * Layout.HiddenSize), Layout.HiddenSize));
        var inputs = scratch.Floats(ScratchBuffer.Lanes, (long)lanes * Layout.HiddenSize);
        Transpose.ToLanes(rows, count, Layout.HiddenSize, inputs, lanes);
        _tails[cluster].Forward(_pool, scratch, inputs, lanes, withLogitSum: false);
        var tailScore = scratch.Floats(ScratchBuffer.TotalWeight, lanes);
        var tailSlot = scratch.Ints(ScratchBuffer.TargetRow, lanes);
        ArgMax.OfRows(scratch.Floats(ScratchBuffer.Logits, (long)tail.Size * lanes), lanes, tail.Size, tailScore, tailSlot);
        var logSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        for (var i = 0; i < count; i++)
        {
            var candidate = clusterLogits[members[i]] + (tailScore[i] - logSumExp[i]);
            if (candidate > score[members[i]]) (score[members[i]], slot[members[i]]) = (candidate, tail.Start + tailSlot[i]);
        }
    }
}
