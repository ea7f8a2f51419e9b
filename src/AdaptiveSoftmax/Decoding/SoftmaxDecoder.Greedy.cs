namespace AdaptiveSoftmax;

// The most probable token.
public abstract partial class SoftmaxDecoder
{
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
    /// Exact, yet it computes only the tails that can win: a tail's own log-prob bounds that of each of its tokens, in
    /// float32 as in theory. The prediction is the argmax of what <see cref="LogProb"/> gives for the same call, to the
    /// bit. It allocates nothing once the layer has served a call of this size.
    /// </remarks>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="tokens">Receives token ids, [tokens]; of equally probable ones that of the lower slot.</param>
    /// <exception cref="ArgumentException">The sizes do not agree.</exception>
    public unsafe void Predict(ReadOnlySpan<float> hidden, Span<int> tokens)
    {
        var count = CheckHidden(hidden);
        if (tokens.Length != count)
            throw new ArgumentException($"There is room for {tokens.Length} predictions of {count} hidden vectors; give one place each.", nameof(tokens));
        var scratch = ScratchPool.Rent();
        try
        {
            fixed (float* vectors = hidden)
            {
                if (count <= MaximumTokensOneByOne)
                {
                    for (var token = 0; token < count; token++)
                    {
                        var start = DecodeMetrics.Start();
                        var slot = PredictOne(scratch, vectors + ((nint)token * Layout.HiddenSize), out var tailsVisited);
                        tokens[token] = GetTokenId(slot);
                        if (start != 0) DecodeMetrics.Record(start, Tags, PartOf(slot), tailsVisited);
                    }

                    return;
                }

                var batchStart = DecodeMetrics.Start();
                var tally = new ClusterTally(stackalloc long[ClusterTally.Length(Layout)], Layout);
                for (var first = 0; first < count; first += DecodeBlockSize)
                {
                    var block = Math.Min(DecodeBlockSize, count - first);
                    PredictBlock(scratch, vectors + ((nint)first * Layout.HiddenSize), tokens.Slice(first, block), tally);
                }

                if (batchStart != 0) DecodeMetrics.RecordBatch(batchStart, Tags, tally);
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }
    }

    /// <summary>The slot of the most probable token of one hidden vector, [hidden], and how many tails were looked at for it.</summary>
    private protected virtual unsafe int PredictOne(Scratch scratch, float* hidden, out int tailsVisited)
    {
        tailsVisited = 0;
        var head = scratch.Floats(ScratchBuffer.HeadLogits, Layout.HeadRows);
        var headLogSumExp = DecodingHead.ForwardOne(Pool, scratch, hidden, head);
        var score = DecodingHead.BestOne(scratch, head, Layout.ShortlistSize, headLogSumExp, cluster: 0, out var best);
        var clusters = head + Layout.ShortlistSize;
        for (var i = 0; i < Layout.ClusterCount; i++) clusters[i] = BestScore.Of(clusters[i], headLogSumExp, 0);
        while (true)
        {
            // The most probable cluster left, of equal ones the first; a visited one is marked by −∞.
            var cluster = 0;
            for (var i = 1; i < Layout.ClusterCount; i++)
            {
                if (clusters[i] > clusters[cluster]) cluster = i;
            }

            if (Layout.ClusterCount == 0 || !CanWin(clusters[cluster], Layout.Tails[cluster].Start, score, best)) return best;
            var tail = Layout.Tails[cluster];
            var logits = scratch.Floats(ScratchBuffer.Logits, tail.Size);
            var logSumExp = DecodingTails[cluster].ForwardOne(Pool, scratch, hidden, logits);
            var candidate = DecodingTails[cluster].BestOne(scratch, logits, tail.Size, logSumExp, clusters[cluster], out var row);
            if (CanWin(candidate, tail.Start + row, score, best)) (score, best) = (candidate, tail.Start + row);
            clusters[cluster] = float.NegativeInfinity;
            tailsVisited++;
        }
    }

    private static bool CanWin(float score, int slot, float bestScore, int bestSlot) =>
        score > bestScore || (score == bestScore && slot < bestSlot);

    private unsafe void PredictBlock(Scratch scratch, float* hidden, Span<int> tokens, ClusterTally tally)
    {
        var inputs = HiddenLanes(scratch, hidden, tokens.Length, Layout.HiddenSize, out var lanes);
        var clusters = HeadBlock(scratch, inputs, lanes);
        var score = scratch.Floats(ScratchBuffer.BestScore, lanes);
        var slot = scratch.Ints(ScratchBuffer.BestSlot, lanes);
        var visited = scratch.Ints(ScratchBuffer.TailsVisited, lanes);
        new Span<int>(visited, lanes).Clear();
        for (var token = 0; token < tokens.Length; token++)
            score[token] = BestOfLane(scratch, Layout.HeadRows, Layout.ShortlistSize, token, lanes, cluster: 0, out slot[token]);
        for (var cluster = 0; cluster < Layout.ClusterCount; cluster++)
            PredictTail(scratch, hidden, tokens.Length, cluster, clusters + ((nint)cluster * lanes), score, slot, visited);
        for (var token = 0; token < tokens.Length; token++)
        {
            tokens[token] = GetTokenId(slot[token]);
            tally.Add(PartOf(slot[token]), visited[token]);
        }
    }

    // The tokens of the block that this cluster can still win. Clusters come in slot order, so an equal score never wins.
    private unsafe void PredictTail(Scratch scratch, float* hidden, int tokens, int cluster, float* clusters, float* score, int* slot, int* visited)
    {
        var tail = Layout.Tails[cluster];
        var members = scratch.Ints(ScratchBuffer.Order, tokens);
        var count = 0;
        for (var token = 0; token < tokens; token++)
        {
            if (clusters[token] > score[token]) members[count++] = token;
        }

        if (count == 0) return;
        var rows = GatherRows(scratch, hidden, members, count);
        var inputs = HiddenLanes(scratch, rows, count, Layout.HiddenSize, out var lanes);
        DecodingTails[cluster].Forward(Pool, scratch, inputs, lanes);
        for (var i = 0; i < count; i++)
        {
            var token = members[i];
            visited[token]++;
            var candidate = BestOfLane(scratch, tail.Size, tail.Size, i, lanes, clusters[token], out var row);
            if (candidate > score[token]) (score[token], slot[token]) = (candidate, tail.Start + row);
        }
    }

    private static unsafe float BestOfLane(Scratch scratch, int allRows, int rows, int lane, int lanes, float cluster, out int row)
    {
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)allRows * lanes) + lane;
        var maximum = scratch.Floats(ScratchBuffer.PartMaximum, lanes) + lane;
        return BestScore.Find(logits, maximum, lanes, TokenBlocks.RowsPerPart, rows, scratch.Floats(ScratchBuffer.LogSumExp, lanes)[lane], cluster, out row);
    }
}
