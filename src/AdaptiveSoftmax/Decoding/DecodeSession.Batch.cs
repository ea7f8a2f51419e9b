namespace AdaptiveSoftmax;

// Batches: the head and each tail that some row needs are one product for all rows that need it.
public sealed unsafe partial class DecodeSession
{
    private RowDecoder[] _rows = [];
    private int _batchRows;

    /// <summary>
    /// Draws the next token of each sequence and adds it to the sequence. The head and each tail are one product for all
    /// rows that need it, whose sums round differently from those of single calls in the last bits. A row's result has the
    /// same bits in a batch of any size, of one row too, whatever the other rows are.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="sequences">The sequences, [rows], all different.</param>
    /// <param name="results">Receives the tokens, [rows].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a sequence stands in two rows; no sequence has changed then.</exception>
    /// <exception cref="DecodeException">
    /// For some rows a value that was read is not finite, or mask, biases and policy leave no token: their token is −1 and their
    /// sequences are as they were. All other rows have their tokens, and their sequences have moved on.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void Sample(ReadOnlySpan<float> hidden, ReadOnlySpan<DecodeSequence> sequences, Span<DecodedToken> results)
    {
        CheckBatch(hidden, sequences.Length);
        if (results.Length != sequences.Length)
            throw new ArgumentException($"There is room for {results.Length} tokens of {sequences.Length} sequences; give one place each.", nameof(results));
        using var step = Begin();
        CheckSequences(sequences);
        var faults = default(DecodeFaults);
        var start = DecodeMetrics.Start();
        PrepareRows(sequences.Length);
        var isScreened = AreScreened(sequences, out var isClosest);
        var blockSize = isScreened ? ScreenedLogits.MostRows : _softmax.DecodeBlockSize;
        fixed (float* vectors = hidden)
        {
            for (var first = 0; first < sequences.Length; first += blockSize)
            {
                var count = Math.Min(blockSize, sequences.Length - first);
                var block = vectors + ((nint)first * _softmax.Layout.HiddenSize);
                if (isScreened)
                {
                    DrawBlock(block, first, sequences.Slice(first, count), isClosest, results.Slice(first, count), ref faults);
                    continue;
                }

                var head = HeadBlock(block, first, count, out var logSumExp, ref faults);
                for (var i = 0; i < count; i++)
                {
                    var sequence = sequences[first + i];
                    if (_rows[first + i].HasFailed) continue;
                    var logits = head + ((nint)i * _softmax.Layout.HeadRows);
                    if (DrawsByLogits(sequence.Options, sequence.Retrieval)) results[first + i] = DrawRow(_rows[first + i], sequence, logits, logSumExp[i]);
                    else _rows[first + i].Begin(sequence.Options, sequence.History, sequence.Random, sequence.Options.TopLogProbs, wantsDraw: true, logits, logSumExp[i], retrieved: sequence.Retrieval);
                }

                RunTails(block, first, count, ref faults);
                for (var i = first; i < first + count; i++)
                {
                    if (DrawsByLogits(sequences[i].Options, sequences[i].Retrieval) && !_rows[i].HasFailed)
                    {
                        if (results[i].Token < 0) faults.AddNoTokenLeft(i);
                        continue;
                    }

                    var key = _rows[i].Finish();
                    if (key == ScoreKey.None && !_rows[i].HasFailed) faults.AddNoTokenLeft(i);
                    results[i] = _rows[i].Report(_softmax, key);
                }
            }
        }

        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_softmax.Layout)], _softmax.Layout);
        for (var i = 0; i < results.Length; i++)
        {
            if (results[i].Token < 0) continue;
            sequences[i].MoveOn(results[i].Token);
            tally.Add(results[i].Cluster, results[i].TailsVisited);
            if (results[i].UnseenMass > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, sequences[i].Options.Policy.ToString());
        }

        DecodeMetrics.RecordBatch(start, _softmax.Tags, tally);
        faults.ThrowIfAny();
    }

    /// <summary>The most probable tokens of each hidden vector.</summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="tokens">Receives token ids, best first, [rows, k]; −1 where a row has fewer.</param>
    /// <param name="logProbs">Receives their log-probs, [rows, k]; −∞ where a row has fewer.</param>
    /// <param name="results">Receives what was found, [rows].</param>
    /// <param name="options">Biases, mask and policy; null for none.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, vectors and log-probs share memory, or an option is out of range.</exception>
    /// <exception cref="DecodeException">For some rows a value that was read is not finite: they have no tokens, and all others have theirs.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void TopK(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results, DecodeOptions? options = null) =>
        TopK(hidden, default, weight: 0, tokens, logProbs, results, options);

    /// <summary>The most probable tokens of each hidden vector in its mixture (1 − λ) p + λ q.</summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="retrieved">q of each row, [rows]; null where nothing was retrieved.</param>
    /// <param name="weight">λ, from 0 to 1.</param>
    /// <param name="tokens">Receives token ids, best first, [rows, k]; −1 where a row has fewer.</param>
    /// <param name="logProbs">Receives their log-probs in the mixture, [rows, k]; −∞ where a row has fewer.</param>
    /// <param name="results">Receives what was found, [rows].</param>
    /// <param name="options">Biases, mask and policy; null for none.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, vectors and log-probs share memory, an option or λ is out of range, or retrieved tokens are of another vocabulary.</exception>
    /// <exception cref="DecodeException">For some rows a value that was read is not finite: they have no tokens, and all others have theirs.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void TopK(ReadOnlySpan<float> hidden, ReadOnlySpan<RetrievedTokens?> retrieved, float weight, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results, DecodeOptions? options = null)
    {
        if (!retrieved.IsEmpty && retrieved.Length != results.Length)
            throw new ArgumentException($"There are retrieved tokens of {retrieved.Length} rows and room for {results.Length} results; give one each.", nameof(retrieved));
        RetrievedTokens.Check(_softmax, retrieved: null, weight);
        foreach (var ofRow in retrieved) RetrievedTokens.Check(_softmax, ofRow, weight);
        CheckBatch(hidden, results.Length);
        options ??= DecodeOptions.Default;
        CheckOptions(options, history: null);
        if (results.Length == 0) return;
        if (tokens.Length != logProbs.Length || tokens.Length % results.Length != 0)
            throw new ArgumentException($"There is room for {tokens.Length} tokens and {logProbs.Length} log-probs of {results.Length} hidden vectors; give [rows, k] of both.", nameof(tokens));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)logProbs, "the hidden vectors", "the log-probs", nameof(logProbs));
        var k = tokens.Length / results.Length;
        using var step = Begin();
        var start = DecodeMetrics.Start();
        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_softmax.Layout)], _softmax.Layout);
        var approximate = 0;
        var faults = default(DecodeFaults);
        PrepareRows(results.Length);
        fixed (float* vectors = hidden)
        {
            for (var first = 0; first < results.Length; first += _softmax.DecodeBlockSize)
            {
                var count = Math.Min(_softmax.DecodeBlockSize, results.Length - first);
                var block = vectors + ((nint)first * _softmax.Layout.HiddenSize);
                var head = HeadBlock(block, first, count, out var logSumExp, ref faults);
                for (var i = 0; i < count; i++)
                {
                    if (_rows[first + i].HasFailed) continue;
                    var logits = head + ((nint)i * _softmax.Layout.HeadRows);
                    var retrieval = retrieved.IsEmpty ? default : new Retrieval(retrieved[first + i], weight);
                    if (RanksByLogits(options) && !retrieval.IsActive) results[first + i] = RankRow(_rows[first + i], options, logits, logSumExp[i], tokens.Slice((first + i) * k, k), logProbs.Slice((first + i) * k, k));
                    else _rows[first + i].Begin(options, history: null, default, k, wantsDraw: false, logits, logSumExp[i], retrieved: retrieval);
                }

                RunTails(block, first, count, ref faults);
                for (var i = first; i < first + count; i++)
                {
                    if (RanksByLogits(options) && !_rows[i].HasFailed && (retrieved.IsEmpty || !new Retrieval(retrieved[i], weight).IsActive)) continue;
                    results[i] = _rows[i].CopyTop(_softmax, tokens.Slice(i * k, k), logProbs.Slice(i * k, k));
                    if (results[i].Count > 0) tally.Add(BestCluster(_rows[i]), results[i].TailsVisited);
                    if (results[i].UnseenMass > 0) approximate++;
                }
            }
        }

        DecodeMetrics.RecordBatch(start, _softmax.Tags, tally);
        if (approximate > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, options.Policy.ToString(), approximate);
        faults.ThrowIfAny();
    }

    /// <summary>After <c>Sample</c> of a batch: the most probable tokens of a row, as many as its options asked for.</summary>
    /// <param name="row">The row.</param>
    /// <param name="tokens">Receives them, best first; token −1 where there are fewer.</param>
    /// <returns>Their number.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The last batch has no such row.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public int CopyTopLogProbs(int row, Span<TokenLogProb> tokens)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, _batchRows);
        return _rows[row].CopyTopLogProbs(_softmax, tokens);
    }

    private void CheckBatch(ReadOnlySpan<float> hidden, int rows)
    {
        ThrowIfDisposed();
        if (hidden.Length != (long)rows * _softmax.Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vectors hold {hidden.Length} values; {rows} rows of the hidden size {_softmax.Layout.HiddenSize} are {(long)rows * _softmax.Layout.HiddenSize}."), nameof(hidden));
    }

    private void CheckSequences(ReadOnlySpan<DecodeSequence> sequences)
    {
        DecodeSequence.EnterBatch(sequences);
        foreach (var sequence in sequences)
        {
            CheckOptions(sequence.Options, sequence.History);
            RetrievedTokens.Check(_softmax, sequence.Retrieved, sequence.RetrievedWeight);
        }
    }

    private void PrepareRows(int rows)
    {
        _batchRows = rows;
        if (_rows.Length >= rows) return;
        var first = _rows.Length;
        Array.Resize(ref _rows, rows);
        for (var i = first; i < rows; i++) _rows[i] = new RowDecoder(_softmax.Layout);
    }

    // Row by row, since each row's choice reads the whole of its logits. Rows without a log-sum-exp have failed.
    private float* HeadBlock(float* hidden, int first, int count, out float* logSumExp, ref DecodeFaults faults)
    {
        _scratch.Reset();
        var rows = _softmax.Layout.HeadRows;
        var logits = _scratch.Floats((long)count * rows);
        logSumExp = _scratch.Floats(count);
        using var scope = _scratch.Begin();
        var inputs = _softmax.HiddenLanes(_scratch, hidden, members: null, count, out var lanes);
        var head = _softmax.DecodingHead.Forward(_softmax.Pool, _scratch, inputs, lanes);
        Transpose.FromLanes(_softmax.Pool, head.Logits, lanes, count, rows, logits, rows);
        new ReadOnlySpan<float>(head.LogSumExp, count).CopyTo(new Span<float>(logSumExp, count));
        for (var i = 0; i < count; i++)
        {
            _rows[first + i].HasFailed = false;
            if (!float.IsFinite(logSumExp[i])) Fail(hidden, first, i, tail: -1, logits + ((nint)i * rows), ref faults);
        }

        return logits;
    }

    private void Fail(float* hidden, int first, int row, int tail, float* logits, ref DecodeFaults faults)
    {
        _rows[first + row].Fail();
        faults.AddNotFinite(_softmax, first + row, tail, hidden + ((nint)row * _softmax.Layout.HiddenSize), logits, step: 1);
    }

    // A tail is one product for all rows that ask for it: the one that most rows ask for comes first, so that those it
    // leaves open join the rows of their next one.
    private void RunTails(float* hidden, int first, int count, ref DecodeFaults faults)
    {
        var wanted = new Span<int>(_scratch.Ints(count), count);
        for (var i = 0; i < count; i++) wanted[i] = _rows[first + i].NextTail();
        Span<int> counts = stackalloc int[_softmax.Layout.TailCount];
        for (var tail = SoftmaxDecoder.MostWanted(wanted, counts); tail >= 0; tail = SoftmaxDecoder.MostWanted(wanted, counts))
        {
            using var scope = _scratch.Begin();
            var members = _scratch.Ints(count);
            var memberCount = SoftmaxDecoder.FindMembers(wanted, tail, new Span<int>(members, count));
            RunTail(hidden, first, tail, members, memberCount, ref faults);
            for (var i = 0; i < memberCount; i++) wanted[members[i]] = _rows[first + members[i]].NextTail();
        }
    }

    private void RunTail(float* hidden, int first, int tail, int* members, int memberCount, ref DecodeFaults faults)
    {
        var inputs = _softmax.HiddenLanes(_scratch, hidden, members, memberCount, out var lanes);
        var block = _softmax.DecodingTails[tail].Forward(_softmax.Pool, _scratch, inputs, lanes);
        var rows = _softmax.Layout.Tails[tail].Size;
        var logits = _scratch.Floats((long)memberCount * rows);
        Transpose.FromLanes(_softmax.Pool, block.Logits, lanes, memberCount, rows, logits, rows);
        for (var i = 0; i < memberCount; i++)
        {
            var own = logits + ((nint)i * rows);
            if (float.IsFinite(block.LogSumExp[i])) _rows[first + members[i]].Accept(tail, own, block.LogSumExp[i]);
            else Fail(hidden, first, members[i], tail, own, ref faults);
        }
    }
}
