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

    // Judges tokens from the first that is open on, as many as a block has; false where one was rejected.
    private bool VerifyBlock(float* hidden, SpeculativeDraft draft, DecodeSequence sequence, Span<DecodedToken> results, ref int count)
    {
        var block = hidden + ((nint)count * _softmax.Layout.HiddenSize);
        if (AreScreened([sequence], out var isClosest)) return VerifyScreened(block, draft, sequence, isClosest, results, ref count);
        var (first, faults) = (count, default(DecodeFaults));
        var rows = Math.Min(_softmax.DecodeBlockSize, draft.Count + 1 - first);
        var head = HeadBlock(block, first, rows, out var logSumExp, ref faults);
        for (var i = 0; i < rows; i++)
        {
            var logits = head + ((nint)i * _softmax.Layout.HeadRows);
            if (!_rows[first + i].HasFailed)
            {
                results[count] = sequence.Options.Sampler == SamplerKind.Gumbel
                    ? DrawRow(_rows[first + i], sequence, logits, logSumExp[i])
                    : VerifyRow(block, first, i, logits, logSumExp[i], count < draft.Count ? draft.Distribution(count) : null, sequence, ref faults);
            }

            if (!Take(draft, sequence, results, ref count, faults)) return false;
        }

        return true;
    }

    private DecodedToken VerifyRow(float* hidden, int first, int at, float* logits, float logSumExp, DraftDistribution? draft, DecodeSequence sequence, ref DecodeFaults faults)
    {
        var row = _rows[first + at];
        using var scope = _scratch.Begin();
        var member = _scratch.Ints(1);
        *member = at;
        row.Begin(sequence.Options, sequence.History, sequence.Random, sequence.Options.TopLogProbs, wantsDraw: true, logits, logSumExp, draft);
        for (var tail = row.NextTail(); tail >= 0; tail = row.NextTail()) RunTail(hidden, first, tail, member, 1, ref faults);
        var key = row.Finish();
        return row.Report(_softmax, key);
    }

    // A row that bounds leave open is a batch of one, as in a batch of draws, and ends the block.
    private bool VerifyScreened(float* hidden, SpeculativeDraft draft, DecodeSequence sequence, bool isClosest, Span<DecodedToken> results, ref int count)
    {
        var rows = Math.Min(ScreenedLogits.MostRows, draft.Count + 1 - count);
        _scratch.Reset();
        _screened!.BeginBlock(_scratch, hidden, rows, isClosest);
        for (var i = 0; i < rows; i++)
        {
            var faults = default(DecodeFaults);
            _rows[count].Clear(sequence.Options);
            var isOpen = !_screened.TryBeginRow(i) || !_logits.TryDraw(_softmax.Pool, _screened, sequence.Options, sequence.History, sequence.Random);
            _screened.End(!isOpen, LogitDecoder.NeedsMasses(sequence.Options, sequence.History, wantsDraw: true));
            if (!isOpen)
            {
                results[count] = Drawn(_screened);
            }
            else
            {
                var head = HeadBlock(hidden + ((nint)i * _softmax.Layout.HiddenSize), count, 1, out var logSumExp, ref faults);
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
