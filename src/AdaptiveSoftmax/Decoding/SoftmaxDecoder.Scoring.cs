namespace AdaptiveSoftmax;

// The log-probs of given tokens.
public abstract partial class SoftmaxDecoder
{
    /// <summary>The log-prob of a given token; it computes the head and, for a token of a tail, that tail.</summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <param name="token">A token id.</param>
    /// <exception cref="ArgumentException">It is not one hidden vector, or the id is not in the vocabulary.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    public unsafe float LogProbOf(ReadOnlySpan<float> hidden, int token)
    {
        if (hidden.Length != Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {Layout.HiddenSize}."), nameof(hidden));
        var slot = SlotOf(token);
        if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} is not in the vocabulary of {Layout.VocabularySize} tokens."), nameof(token));
        var faults = default(DecodeFaults);
        var scratch = ScratchPool.Rent();
        try
        {
            fixed (float* vector = hidden)
            {
                var logProb = ScoreOne(scratch, vector, slot, ref faults);
                faults.ThrowIfAny();
                return logProb;
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }
    }

    /// <summary>The log-probs of given tokens, one a hidden vector. A tail is computed for the rows whose token it holds.</summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="tokens">Token ids, [rows].</param>
    /// <param name="logProbs">Receives log p(token), [rows].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, an id is not in the vocabulary, or vectors and log-probs share memory.</exception>
    /// <exception cref="DecodeException">For some rows a value that was read is not finite: their log-probs are NaN, all others are computed.</exception>
    public unsafe void LogProbOf(ReadOnlySpan<float> hidden, ReadOnlySpan<int> tokens, Span<float> logProbs)
    {
        var rows = CheckHidden(hidden);
        if (tokens.Length != rows || logProbs.Length != rows)
            throw new ArgumentException(FormattableString.Invariant($"There are {tokens.Length} tokens and room for {logProbs.Length} log-probs of {rows} hidden vectors; give one each."), nameof(tokens));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)logProbs, "the hidden vectors", "the log-probs", nameof(logProbs));
        var faults = default(DecodeFaults);
        var scratch = ScratchPool.Rent();
        try
        {
            var slots = scratch.Ints(rows);
            for (var i = 0; i < rows; i++)
            {
                slots[i] = SlotOf(tokens[i]);
                if (slots[i] < 0) throw new ArgumentException(FormattableString.Invariant($"Token {i} is {tokens[i]}, which is not in the vocabulary of {Layout.VocabularySize} tokens."), nameof(tokens));
            }

            fixed (float* vectors = hidden, output = logProbs)
            {
                for (var first = 0; first < rows; first += DecodeBlockSize)
                    ScoreBlock(scratch, vectors + ((nint)first * Layout.HiddenSize), first, slots + first, Math.Min(DecodeBlockSize, rows - first), output + first, ref faults);
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }

        faults.ThrowIfAny();
    }

    /// <summary>exp(mean −log p(token)) over a sequence.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="tokens">The token that follows each, [tokens], at least one.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, an id is not in the vocabulary, or there is no token.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    public double Perplexity(ReadOnlySpan<float> hidden, ReadOnlySpan<int> tokens)
    {
        if (tokens.IsEmpty) throw new ArgumentException("There is no token, so there is no perplexity.", nameof(tokens));
        var logProbs = new float[tokens.Length];
        LogProbOf(hidden, tokens, logProbs);
        var sum = 0.0;
        foreach (var logProb in logProbs) sum -= logProb;
        return Math.Exp(sum / tokens.Length);
    }

    private unsafe float ScoreOne(Scratch scratch, float* hidden, int slot, ref DecodeFaults faults)
    {
        var head = DecodingHead.ForwardOne(Pool, scratch, hidden, scratch.Floats(Layout.HeadRows));
        if (!float.IsFinite(head.LogSumExp[0]))
        {
            faults.AddNotFinite(this, row: 0, tail: -1, hidden, head.Logits, step: 1);
            return float.NaN;
        }

        if (slot < Layout.ShortlistSize) return BestScore.Of(head.Logits[slot], head.LogSumExp[0], cluster: 0);
        var tail = Layout.Tails[Layout.ClusterOf(slot) - 1];
        var cluster = BestScore.Of(head.Logits[Layout.ShortlistSize + tail.Index], head.LogSumExp[0], cluster: 0);
        var logits = DecodingTails[tail.Index].ForwardOne(Pool, scratch, hidden, scratch.Floats(tail.Size));
        if (float.IsFinite(logits.LogSumExp[0])) return BestScore.Of(logits.Logits[slot - tail.Start], logits.LogSumExp[0], cluster);
        faults.AddNotFinite(this, row: 0, tail.Index, hidden, logits.Logits, step: 1);
        return float.NaN;
    }

    private unsafe void ScoreBlock(Scratch scratch, float* hidden, int first, int* slots, int count, float* logProbs, ref DecodeFaults faults)
    {
        using var scope = scratch.Begin();
        var inputs = HiddenLanes(scratch, hidden, members: null, count, out var lanes);
        var head = DecodingHead.Forward(Pool, scratch, inputs, lanes);
        var clusters = ClusterLogProbs(scratch, head);
        var members = scratch.Ints(count);
        var wanted = scratch.Ints(count);
        for (var i = 0; i < count; i++)
        {
            wanted[i] = float.IsFinite(head.LogSumExp[i]) ? Layout.ClusterOf(slots[i]) - 1 : -1;
            if (float.IsFinite(head.LogSumExp[i]))
            {
                if (wanted[i] < 0) logProbs[i] = BestScore.Of(head.Logits[((nint)slots[i] * lanes) + i], head.LogSumExp[i], cluster: 0);
                continue;
            }

            faults.AddNotFinite(this, first + i, tail: -1, hidden + ((nint)i * Layout.HiddenSize), head.Logits + i, lanes);
            logProbs[i] = float.NaN;
        }

        foreach (var tail in Layout.Tails)
        {
            using var ofTail = scratch.Begin();
            var memberCount = FindMembers(new ReadOnlySpan<int>(wanted, count), tail.Index, new Span<int>(members, count));
            if (memberCount == 0) continue;
            inputs = HiddenLanes(scratch, hidden, members, memberCount, out var tailLanes);
            var logits = DecodingTails[tail.Index].Forward(Pool, scratch, inputs, tailLanes);
            for (var i = 0; i < memberCount; i++)
            {
                var row = members[i];
                logProbs[row] = BestScore.Of(logits.Logits[((nint)(slots[row] - tail.Start) * tailLanes) + i], logits.LogSumExp[i], clusters[((nint)tail.Index * lanes) + row]);
                if (float.IsFinite(logits.LogSumExp[i])) continue;
                faults.AddNotFinite(this, first + row, tail.Index, hidden + ((nint)row * Layout.HiddenSize), logits.Logits + i, tailLanes);
                logProbs[row] = float.NaN;
            }
        }
    }
}
