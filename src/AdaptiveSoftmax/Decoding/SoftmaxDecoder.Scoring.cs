using System.Runtime.InteropServices;

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
            throw new ArgumentException($"The hidden vector has {hidden.Length} values; the hidden size is {Layout.HiddenSize}.", nameof(hidden));
        var slot = SlotOf(token);
        if (slot < 0) throw new ArgumentException($"Token {token} is not in the vocabulary of {Layout.VocabularySize} tokens.", nameof(token));
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
    /// <exception cref="ArgumentException">The sizes do not agree, or an id is not in the vocabulary.</exception>
    /// <exception cref="DecodeException">For some rows a value that was read is not finite: their log-probs are NaN, all others are computed.</exception>
    public unsafe void LogProbOf(ReadOnlySpan<float> hidden, ReadOnlySpan<int> tokens, Span<float> logProbs)
    {
        var rows = CheckHidden(hidden);
        if (tokens.Length != rows || logProbs.Length != rows)
            throw new ArgumentException($"There are {tokens.Length} tokens and room for {logProbs.Length} log-probs of {rows} hidden vectors; give one each.", nameof(tokens));
        var faults = default(DecodeFaults);
        var scratch = ScratchPool.Rent();
        try
        {
            var slots = scratch.Ints(ScratchBuffer.Slots, rows);
            for (var i = 0; i < rows; i++)
            {
                slots[i] = SlotOf(tokens[i]);
                if (slots[i] < 0) throw new ArgumentException($"Token {i} is {tokens[i]}, which is not in the vocabulary of {Layout.VocabularySize} tokens.", nameof(tokens));
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
        var head = scratch.Floats(ScratchBuffer.HeadLogits, Layout.HeadRows);
        var logSumExp = DecodingHead.ForwardOne(Pool, scratch, hidden, head);
        if (!float.IsFinite(logSumExp))
        {
            faults.AddNotFinite(this, row: 0, cluster: -1, hidden, head, step: 1);
            return float.NaN;
        }

        if (slot < Layout.ShortlistSize) return BestScore.Of(head[slot], logSumExp, cluster: 0);
        var tail = Layout.Tails[PartOf(slot) - 1];
        var cluster = BestScore.Of(head[Layout.ShortlistSize + tail.Index], logSumExp, cluster: 0);
        var logits = scratch.Floats(ScratchBuffer.Logits, tail.Size);
        logSumExp = DecodingTails[tail.Index].ForwardOne(Pool, scratch, hidden, logits);
        if (float.IsFinite(logSumExp)) return BestScore.Of(logits[slot - tail.Start], logSumExp, cluster);
        faults.AddNotFinite(this, row: 0, tail.Index, hidden, logits, step: 1);
        return float.NaN;
    }

    private unsafe void ScoreBlock(Scratch scratch, float* hidden, int first, int* slots, int count, float* logProbs, ref DecodeFaults faults)
    {
        var inputs = HiddenLanes(scratch, hidden, count, Layout.HiddenSize, out var lanes);
        var clusters = HeadBlock(scratch, inputs, lanes);
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)Layout.HeadRows * lanes);
        var logSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        var members = scratch.Ints(ScratchBuffer.Order, count);
        var wanted = scratch.Ints(ScratchBuffer.WantedTail, count);
        for (var i = 0; i < count; i++)
        {
            wanted[i] = float.IsFinite(logSumExp[i]) ? PartOf(slots[i]) - 1 : -1;
            if (float.IsFinite(logSumExp[i]))
            {
                if (wanted[i] < 0) logProbs[i] = BestScore.Of(logits[((nint)slots[i] * lanes) + i], logSumExp[i], cluster: 0);
                continue;
            }

            faults.AddNotFinite(this, first + i, cluster: -1, hidden + ((nint)i * Layout.HiddenSize), logits + i, lanes);
            logProbs[i] = float.NaN;
        }

        foreach (var tail in Layout.Tails)
        {
            var memberCount = FindMembers(wanted, count, tail.Index, members);
            if (memberCount == 0) continue;
            var vectors = GatherRows(scratch, hidden, members, memberCount);
            inputs = HiddenLanes(scratch, vectors, memberCount, Layout.HiddenSize, out var tailLanes);
            DecodingTails[tail.Index].Forward(Pool, scratch, inputs, tailLanes);
            logits = scratch.Floats(ScratchBuffer.Logits, (long)tail.Size * tailLanes);
            logSumExp = scratch.Floats(ScratchBuffer.LogSumExp, tailLanes);
            for (var i = 0; i < memberCount; i++)
            {
                var row = members[i];
                logProbs[row] = BestScore.Of(logits[((nint)(slots[row] - tail.Start) * tailLanes) + i], logSumExp[i], clusters[((nint)tail.Index * lanes) + row]);
                if (float.IsFinite(logSumExp[i])) continue;
                faults.AddNotFinite(this, first + row, tail.Index, hidden + ((nint)row * Layout.HiddenSize), logits + i, tailLanes);
                logProbs[row] = float.NaN;
            }
        }
    }

    /// <summary>Copies the hidden vectors of some rows side by side.</summary>
    internal unsafe float* GatherRows(Scratch scratch, float* hidden, int* members, int count)
    {
        var size = Layout.HiddenSize;
        var rows = scratch.Floats(ScratchBuffer.Rows, (long)count * size);
        for (var i = 0; i < count; i++) NativeMemory.Copy(hidden + ((nint)members[i] * size), rows + ((nint)i * size), (nuint)size * sizeof(float));
        return rows;
    }
}
