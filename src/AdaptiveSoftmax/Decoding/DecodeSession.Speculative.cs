namespace AdaptiveSoftmax;

// Drafted tokens: the head is one product for all of them, and a tail is computed where a token hangs on it.
public sealed unsafe partial class DecodeSession
{
    /// <summary>Verifies a draft: <see cref="SpeculativeDecoding.Verify"/>.</summary>
    internal int Verify(ReadOnlySpan<float> hidden, SpeculativeDraft draft, DecodeSequence sequence, Span<DecodedToken> results)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        var rows = draft.Count + 1;
        CheckBatch(hidden, rows);
        if (results.Length < rows)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {results.Length} tokens, and {draft.Count} drafted ones may become {rows}."), nameof(results));
        CheckOptions(sequence.Options, sequence.History);
        if (!sequence.Options.Policy.IsExact)
            throw new ArgumentException($"The policy {sequence.Options.Policy} leaves out tails, and drafts are verified exactly; set {nameof(DecodeOptions.Policy)} to {nameof(DecodePolicy.Exact)}.", nameof(sequence));
        if (sequence.Retrieval.IsActive)
            throw new ArgumentException($"The sequence mixes in retrieved tokens, and drafts are verified against the model alone; call {nameof(DecodeSequence.Retrieve)} with null first.", nameof(sequence));
        using var step = Begin();
        var (start, length, random) = (DecodeMetrics.Start(), sequence.History.Length, sequence.Random);
        PrepareRows(rows);
        var count = 0;
        try
        {
            fixed (float* vectors = hidden)
            {
                while (count < rows && VerifyBlock(vectors, draft, sequence, results, ref count))
                {
                }
            }
        }
        catch (DecodeException)
        {
            sequence.History.CutBack(length);
            sequence.Random = random;
            throw;
        }

        _batchRows = count;
        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_softmax.Layout)], _softmax.Layout);
        foreach (var result in results[..count]) tally.Add(result.Cluster, result.TailsVisited);
        DecodeMetrics.RecordBatch(start, _softmax.Tags, tally);
        return count;
    }

    // Judges tokens from the first that is open on, as many as a block has that are decided by the same; false where one was rejected.
    private bool VerifyBlock(float* hidden, SpeculativeDraft draft, DecodeSequence sequence, Span<DecodedToken> results, ref int count)
    {
        var (size, mayBoundNuclei) = (_softmax.Layout.HiddenSize, (bool?)null);
        var isScreened = MayDrawScreened(hidden + ((nint)count * size), sequence, ref mayBoundNuclei);
        var most = Math.Min(isScreened ? ScreenedLogits.MostRows : _softmax.DecodeBlockSize, draft.Count + 1 - count);
        var rows = 0;
        do _order[rows] = count + rows;
        while (++rows < most && MayDrawScreened(hidden + ((nint)(count + rows) * size), sequence, ref mayBoundNuclei) == isScreened);
        return isScreened
            ? VerifyScreened(hidden, _order.AsSpan(0, rows), draft, sequence, results, ref count)
            : VerifyStored(hidden, _order.AsSpan(0, rows), draft, sequence, results, ref count);
    }

    private bool VerifyStored(float* hidden, ReadOnlySpan<int> rows, SpeculativeDraft draft, DecodeSequence sequence, Span<DecodedToken> results, ref int count)
    {
        var faults = default(DecodeFaults);
        var head = HeadBlock(hidden, rows, out var logSumExp, ref faults);
        for (var i = 0; i < rows.Length; i++)
        {
            var logits = head + ((nint)i * _softmax.Layout.HeadRows);
            if (!_rows[rows[i]].HasFailed)
            {
                results[count] = sequence.Options.Sampler == SamplerKind.Gumbel
                    ? DrawRow(_rows[rows[i]], sequence, logits, logSumExp[i])
                    : VerifyRow(hidden, rows.Slice(i, 1), logits, logSumExp[i], count < draft.Count ? draft.Distribution(count) : null, sequence, ref faults);
            }

            if (!Take(draft, sequence, results, ref count, faults)) return false;
        }

        return true;
    }

    private DecodedToken VerifyRow(float* hidden, ReadOnlySpan<int> one, float* logits, float logSumExp, DraftDistribution? draft, DecodeSequence sequence, ref DecodeFaults faults)
    {
        var row = _rows[one[0]];
        using var scope = _scratch.Begin();
        row.Begin(sequence.Options, sequence.History, sequence.Random, sequence.Options.TopLogProbs, wantsDraw: true, logits, logSumExp, draft);
        for (var tail = row.NextTail(); tail >= 0; tail = row.NextTail()) RunTail(hidden, one, tail, ref faults);
        var key = row.Finish();
        return row.Report(_softmax, key);
    }

    // A row that bounds leave open is a batch of one, as in a batch of draws, and ends the block.
    private bool VerifyScreened(float* hidden, ReadOnlySpan<int> rows, SpeculativeDraft draft, DecodeSequence sequence, Span<DecodedToken> results, ref int count)
    {
        BeginScreening(hidden, rows, NeedsClosest(sequence.Options, wantsDraw: true));
        for (var i = 0; i < rows.Length; i++)
        {
            var faults = default(DecodeFaults);
            _rows[count].Clear(sequence.Options);
            var isOpen = !TryScreened(i, sequence.Options, sequence.History, sequence.Random, count: 1, wantsDraw: true);
            if (!isOpen)
            {
                results[count] = Drawn(_screened!, sequence.Options);
            }
            else
            {
                var head = HeadBlock(hidden, rows.Slice(i, 1), out var logSumExp, ref faults);
                if (!_rows[count].HasFailed) results[count] = DrawRow(_rows[count], sequence, head, logSumExp[0]);
            }

            if (!Take(draft, sequence, results, ref count, faults)) return false;
            if (isOpen) return true;
        }

        return true;
    }

    // Adds the token to the sequence; false where it is not the drafted one, or is behind all of them.
    private bool Take(SpeculativeDraft draft, DecodeSequence sequence, Span<DecodedToken> results, ref int count, DecodeFaults faults)
    {
        var row = count;
        if (_rows[row].HasFailed) throw new DecodeException([.. faults.ToArray().Where(fault => fault.Row == row)]);
        if (results[count].Token < 0)
        {
            var none = default(DecodeFaults);
            none.AddNoTokenLeft(count);
            none.ThrowIfAny();
        }

        sequence.Random = sequence.Random.Next();
        sequence.History.Add(results[count].Token);
        count++;
        return count <= draft.Count && results[count - 1].Token == draft[count - 1];
    }
}
