namespace AdaptiveSoftmax;

// The most probable token.
public abstract partial class SoftmaxDecoder
{
    /// <summary>The most probable token of one hidden vector: PyTorch's <c>predict</c>.</summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <returns>A token id; of equally probable ones that of the lower slot.</returns>
    /// <exception cref="ArgumentException">It is not one hidden vector.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    public int Predict(ReadOnlySpan<float> hidden)
    {
        if (hidden.Length != Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {Layout.HiddenSize}."), nameof(hidden));
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
    /// <exception cref="ArgumentException">The sizes do not agree, or vectors and predictions share memory.</exception>
    /// <exception cref="DecodeException">For some hidden vectors a value that was read is not finite: their tokens are −1, all others are predicted.</exception>
    public unsafe void Predict(ReadOnlySpan<float> hidden, Span<int> tokens)
    {
        var count = CheckHidden(hidden);
        if (tokens.Length != count)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {tokens.Length} predictions of {count} hidden vectors; give one place each."), nameof(tokens));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<int>)tokens, "the hidden vectors", "the predictions", nameof(tokens));
        var faults = default(DecodeFaults);
        var scratch = ScratchPool.Rent();
        try
        {
            fixed (float* vectors = hidden)
            {
                if (count <= MaximumTokensOneByOne) PredictEach(scratch, vectors, tokens, ref faults);
                else PredictBlocks(scratch, vectors, tokens, ref faults);
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }

        faults.ThrowIfAny();
    }

    private unsafe void PredictEach(Scratch scratch, float* hidden, Span<int> tokens, ref DecodeFaults faults)
    {
        for (var token = 0; token < tokens.Length; token++)
        {
            using var scope = scratch.Begin();
            var start = DecodeMetrics.Start();
            var slot = PredictOne(scratch, hidden + ((nint)token * Layout.HiddenSize), token, ref faults, out var tailsVisited);
            tokens[token] = slot < 0 ? -1 : GetTokenId(slot);
            if (start != 0 && slot >= 0) DecodeMetrics.Record(start, Tags, Layout.ClusterOf(slot), tailsVisited);
        }
    }

    /// <summary>The vectors that <see cref="PredictBlock"/> takes at a time.</summary>
    private protected virtual int BlockStep => DecodeBlockSize;

    private unsafe void PredictBlocks(Scratch scratch, float* hidden, Span<int> tokens, ref DecodeFaults faults)
    {
        var start = DecodeMetrics.Start();
        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(Layout)], Layout);
        for (var first = 0; first < tokens.Length; first += BlockStep)
        {
            var block = Math.Min(BlockStep, tokens.Length - first);
            PredictBlock(scratch, hidden + ((nint)first * Layout.HiddenSize), first, tokens.Slice(first, block), tally, ref faults);
        }

        if (start != 0) DecodeMetrics.RecordBatch(start, Tags, tally);
    }

    /// <summary>The slot of the most probable token of one hidden vector, [hidden], and how many tails were looked at for it.</summary>
    /// <returns>The slot, or −1 where the fault was recorded.</returns>
    private protected virtual unsafe int PredictOne(Scratch scratch, float* hidden, int number, ref DecodeFaults faults, out int tailsVisited)
    {
        tailsVisited = 0;
        var head = DecodingHead.ForwardOne(Pool, scratch, hidden, scratch.Floats(Layout.HeadRows));
        if (!float.IsFinite(head.LogSumExp[0]))
        {
            faults.AddNotFinite(this, number, tail: -1, hidden, head.Logits, step: 1);
            return -1;
        }

        var score = head.Best(lane: 0, Layout.ShortlistSize, cluster: 0, out var best);
        var clusters = head.Logits + Layout.ShortlistSize;
        for (var i = 0; i < Layout.TailCount; i++) clusters[i] = BestScore.Of(clusters[i], head.LogSumExp[0], 0);
        while (true)
        {
            // The most probable tail left, of equal ones the first; a visited one is marked by −∞.
            var tail = 0;
            for (var i = 1; i < Layout.TailCount; i++)
            {
                if (clusters[i] > clusters[tail]) tail = i;
            }

            if (Layout.TailCount == 0 || !CanWin(clusters[tail], Layout.Tails[tail].Start, score, best)) return best;
            var range = Layout.Tails[tail];
            using var scope = scratch.Begin();
            var logits = DecodingTails[tail].ForwardOne(Pool, scratch, hidden, scratch.Floats(range.Size));
            if (!float.IsFinite(logits.LogSumExp[0]))
            {
                faults.AddNotFinite(this, number, tail, hidden, logits.Logits, step: 1);
                return -1;
            }

            var candidate = logits.Best(lane: 0, range.Size, clusters[tail], out var row);
            if (CanWin(candidate, range.Start + row, score, best)) (score, best) = (candidate, range.Start + row);
            clusters[tail] = float.NegativeInfinity;
            tailsVisited++;
        }
    }

    private static bool CanWin(float score, int slot, float bestScore, int bestSlot) =>
        score > bestScore || (score == bestScore && slot < bestSlot);

    // A tail is one product for all tokens that ask for it: the one that most tokens ask for comes first, so that those it
    // leaves open join the tokens of their next one.
    private protected virtual unsafe void PredictBlock(Scratch scratch, float* hidden, int first, Span<int> tokens, ClusterTally tally, ref DecodeFaults faults)
    {
        using var scope = scratch.Begin();
        var inputs = HiddenLanes(scratch, hidden, members: null, tokens.Length, out var lanes);
        var head = DecodingHead.Forward(Pool, scratch, inputs, lanes);
        var clusters = ClusterLogProbs(scratch, head);
        var score = scratch.Floats(lanes);
        var slot = scratch.Ints(lanes);
        var visited = scratch.Ints(lanes);
        var wanted = scratch.Ints(lanes);
        new Span<int>(visited, lanes).Clear();
        for (var token = 0; token < tokens.Length; token++)
        {
            if (float.IsFinite(head.LogSumExp[token])) score[token] = head.Best(token, Layout.ShortlistSize, cluster: 0, out slot[token]);
            else Fail(token, tail: -1, head.Logits + token, lanes, ref faults);
            wanted[token] = WantedTail(clusters + token, lanes, score[token], slot[token]);
        }

        Span<int> counts = stackalloc int[Layout.TailCount];
        var wants = new ReadOnlySpan<int>(wanted, tokens.Length);
        for (var tail = MostWanted(wants, counts); tail >= 0; tail = MostWanted(wants, counts))
        {
            var range = Layout.Tails[tail];
            using var ofTail = scratch.Begin();
            var members = scratch.Ints(tokens.Length);
            var count = FindMembers(wants, tail, new Span<int>(members, tokens.Length));
            inputs = HiddenLanes(scratch, hidden, members, count, out var tailLanes);
            var logits = DecodingTails[tail].Forward(Pool, scratch, inputs, tailLanes);
            for (var i = 0; i < count; i++)
            {
                var token = members[i];
                ref var bound = ref clusters[((nint)tail * lanes) + token];
                if (!float.IsFinite(logits.LogSumExp[i]))
                {
                    Fail(token, tail, logits.Logits + i, tailLanes, ref faults);
                }
                else
                {
                    var candidate = logits.Best(i, range.Size, bound, out var row);
                    if (CanWin(candidate, range.Start + row, score[token], slot[token])) (score[token], slot[token]) = (candidate, range.Start + row);
                }

                visited[token]++;
                bound = float.NegativeInfinity;
                wanted[token] = WantedTail(clusters + token, lanes, score[token], slot[token]);
            }
        }

        for (var token = 0; token < tokens.Length; token++)
        {
            tokens[token] = slot[token] < 0 ? -1 : GetTokenId(slot[token]);
            if (slot[token] >= 0) tally.Add(Layout.ClusterOf(slot[token]), visited[token]);
        }

        // No tail beats a score of +∞.
        void Fail(int token, int tail, float* logits, int step, ref DecodeFaults faults)
        {
            faults.AddNotFinite(this, first + token, tail, hidden + ((nint)token * Layout.HiddenSize), logits, step);
            (score[token], slot[token]) = (float.PositiveInfinity, -1);
        }
    }

    // The most probable tail that can still win, of equal ones the first; −1 for none.
    private unsafe int WantedTail(float* clusters, int lanes, float score, int slot)
    {
        var best = -1;
        for (var i = 0; i < Layout.TailCount; i++)
        {
            var bound = clusters[(nint)i * lanes];
            if (CanWin(bound, Layout.Tails[i].Start, score, slot) && (best < 0 || bound > clusters[(nint)best * lanes])) best = i;
        }

        return best;
    }

    /// <summary>The tail that most rows want, of equal ones the first; −1 where no row wants one.</summary>
    /// <param name="wanted">The tail that each row wants; −1 for none.</param>
    /// <param name="counts">Working memory, [tails].</param>
    internal static int MostWanted(ReadOnlySpan<int> wanted, Span<int> counts)
    {
        counts.Clear();
        foreach (var tail in wanted)
        {
            if (tail >= 0) counts[tail]++;
        }

        var best = -1;
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] > (best < 0 ? 0 : counts[best])) best = i;
        }

        return best;
    }

    /// <summary>The rows that want a tail, ascending.</summary>
    internal static int FindMembers(ReadOnlySpan<int> wanted, int tail, Span<int> members)
    {
        var count = 0;
        for (var i = 0; i < wanted.Length; i++)
        {
            if (wanted[i] == tail) members[count++] = i;
        }

        return count;
    }
}
