namespace AdaptiveSoftmax;

// Batches: the head and each tail that some row needs are one product for all rows that need it.
public sealed unsafe partial class DecodeSession
{
    private RowDecoder[] _rows = [];
    private int[] _needed = [];
    private int _batchRows;

    /// <summary>
    /// Draws the next token of each sequence and adds it to the sequence. The head and each tail are one product for all
    /// rows that need it, whose sums round differently from those of single calls in the last bits. A row's result has the
    /// same bits in a batch of any size, of one row too, whatever the other rows are.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="sequences">The sequences, [rows], all different.</param>
    /// <param name="results">Receives the tokens, [rows].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a value is not finite; no sequence has changed then.</exception>
    /// <exception cref="InvalidOperationException">Mask, biases and policy of a sequence leave no token; no sequence has changed then.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void Sample(ReadOnlySpan<float> hidden, ReadOnlySpan<DecodeSequence> sequences, Span<DecodedToken> results)
    {
        CheckBatch(hidden, sequences.Length);
        if (results.Length != sequences.Length)
            throw new ArgumentException($"There is room for {results.Length} tokens of {sequences.Length} sequences; give one place each.", nameof(results));
        foreach (var sequence in sequences) CheckOptions(sequence.Options, sequence.History);
        var start = DecodeMetrics.Start();
        PrepareRows(sequences.Length);
        var blockSize = _softmax.DecodeBlockSize;
        fixed (float* vectors = hidden)
        {
            for (var first = 0; first < sequences.Length; first += blockSize)
            {
                var count = Math.Min(blockSize, sequences.Length - first);
                var head = HeadBlock(vectors + ((nint)first * _softmax.Layout.HiddenSize), count, out var logSumExp);
                for (var i = 0; i < count; i++)
                {
                    CheckFinite(logSumExp[i], first + i);
                    var sequence = sequences[first + i];
                    _rows[first + i].Begin(sequence.Options, sequence.History, sequence.Random, sequence.Options.TopLogProbs, wantsDraw: true, head + ((nint)i * _softmax.Layout.HeadRows), logSumExp[i]);
                }

                RunTails(vectors + ((nint)first * _softmax.Layout.HiddenSize), first, count);
                for (var i = first; i < first + count; i++) results[i] = Report(_rows[i], _rows[i].Finish());
            }
        }

        for (var i = 0; i < sequences.Length; i++)
        {
            sequences[i].Random = _rows[i].Random;
            sequences[i].History.Add(results[i].Token);
        }

        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_softmax.Layout)], _softmax.Layout);
        for (var i = 0; i < results.Length; i++)
        {
            tally.Add(results[i].Cluster + 1, results[i].TailsVisited);
            if (results[i].UnseenMass > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, sequences[i].Options.Policy.ToString());
        }

        DecodeMetrics.RecordBatch(start, _softmax.Tags, tally);
    }

    /// <summary>The most probable tokens of each hidden vector.</summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="tokens">Receives token ids, best first, [rows, k]; −1 where a row has fewer.</param>
    /// <param name="logProbs">Receives their log-probs, [rows, k]; −∞ where a row has fewer.</param>
    /// <param name="results">Receives what was found, [rows].</param>
    /// <param name="options">Biases, mask and policy; null for none.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, a value is not finite, or an option is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void TopK(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results, DecodeOptions? options = null)
    {
        CheckBatch(hidden, results.Length);
        options ??= DecodeOptions.Default;
        CheckOptions(options, history: null);
        if (results.Length == 0) return;
        if (tokens.Length != logProbs.Length || tokens.Length % results.Length != 0)
            throw new ArgumentException($"There is room for {tokens.Length} tokens and {logProbs.Length} log-probs of {results.Length} hidden vectors; give [rows, k] of both.", nameof(tokens));
        var k = tokens.Length / results.Length;
        var start = DecodeMetrics.Start();
        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_softmax.Layout)], _softmax.Layout);
        var approximate = 0;
        PrepareRows(results.Length);
        fixed (float* vectors = hidden)
        {
            for (var first = 0; first < results.Length; first += _softmax.DecodeBlockSize)
            {
                var count = Math.Min(_softmax.DecodeBlockSize, results.Length - first);
                var head = HeadBlock(vectors + ((nint)first * _softmax.Layout.HiddenSize), count, out var logSumExp);
                for (var i = 0; i < count; i++)
                {
                    CheckFinite(logSumExp[i], first + i);
                    _rows[first + i].Begin(options, history: null, default, k, wantsDraw: false, head + ((nint)i * _softmax.Layout.HeadRows), logSumExp[i]);
                }

                RunTails(vectors + ((nint)first * _softmax.Layout.HiddenSize), first, count);
                for (var i = first; i < first + count; i++)
                {
                    results[i] = CopyTopK(_rows[i], tokens.Slice(i * k, k), logProbs.Slice(i * k, k));
                    if (results[i].Count > 0) tally.Add(BestPart(_rows[i]), results[i].TailsVisited);
                    if (results[i].UnseenMass > 0) approximate++;
                }
            }
        }

        DecodeMetrics.RecordBatch(start, _softmax.Tags, tally);
        if (approximate > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, options.Policy.ToString(), approximate);
    }

    /// <summary>After <c>Sample</c> of a batch: the most probable tokens of a row, as many as its options asked for.</summary>
    /// <param name="row">The row.</param>
    /// <param name="tokens">Receives them, best first.</param>
    /// <returns>Their number.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The last batch has no such row.</exception>
    public int CopyTopLogProbs(int row, Span<TokenLogProb> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, _batchRows);
        return CopyTopLogProbs(_rows[row], tokens);
    }

    private TopKResult CopyTopK(RowDecoder row, Span<int> tokens, Span<float> logProbs)
    {
        row.FinishTop();
        tokens.Fill(-1);
        logProbs.Fill(float.NegativeInfinity);
        for (var i = 0; i < row.Top.Length; i++)
            (tokens[i], logProbs[i]) = (_softmax.TokenOf(ScoreKey.Slot(row.Top[i])), row.ReportedLogProb(row.Top[i]));
        return new TopKResult(row.Top.Length, row.TailsVisited, row.UnseenMass);
    }

    private void CheckBatch(ReadOnlySpan<float> hidden, int rows)
    {
        if (hidden.Length != (long)rows * _softmax.Layout.HiddenSize)
            throw new ArgumentException($"The hidden vectors hold {hidden.Length} values; {rows} rows of the hidden size {_softmax.Layout.HiddenSize} are {(long)rows * _softmax.Layout.HiddenSize}.", nameof(hidden));
    }

    private void PrepareRows(int rows)
    {
        _batchRows = rows;
        if (_rows.Length >= rows) return;
        var first = _rows.Length;
        Array.Resize(ref _rows, rows);
        Array.Resize(ref _needed, rows);
        for (var i = first; i < rows; i++) _rows[i] = new RowDecoder(_softmax.Layout);
    }

    // Row by row, since each row's choice reads the whole of its logits.
    private float* HeadBlock(float* hidden, int count, out float* logSumExp)
    {
        var rows = _softmax.Layout.HeadRows;
        var inputs = SoftmaxDecoder.HiddenLanes(_scratch, hidden, count, _softmax.Layout.HiddenSize, out var lanes);
        _softmax.DecodingHead.Forward(_softmax.Pool, _scratch, inputs, lanes);
        var logits = _scratch.Floats(ScratchBuffer.HeadLogits, (long)count * rows);
        Transpose.FromLanes(_scratch.Floats(ScratchBuffer.Logits, (long)rows * lanes), lanes, count, rows, logits, rows);

        // A tail's forward pass puts its own log-sum-exp where the head's stands now.
        logSumExp = _scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        return logits;
    }

    private void RunTails(float* hidden, int first, int count)
    {
        _needed.AsSpan(0, count).Clear();
        while (FindNeeded(first, count))
        {
            for (var cluster = 0; cluster < _softmax.Layout.ClusterCount; cluster++) RunTail(hidden, first, count, cluster);
        }
    }

    // A row that has said that it is finished is asked no more: asked again it would draw again.
    private bool FindNeeded(int first, int count)
    {
        var any = false;
        for (var i = 0; i < count; i++)
        {
            if (_needed[i] >= 0) _needed[i] = _rows[first + i].NextTail();
            any |= _needed[i] >= 0;
        }

        return any;
    }

    private void RunTail(float* hidden, int first, int count, int cluster)
    {
        var members = _scratch.Ints(ScratchBuffer.Order, count);
        var memberCount = 0;
        for (var i = 0; i < count; i++)
        {
            if (_needed[i] == cluster) members[memberCount++] = i;
        }

        if (memberCount == 0) return;
        var vectors = _softmax.GatherRows(_scratch, hidden, members, memberCount);
        var inputs = SoftmaxDecoder.HiddenLanes(_scratch, vectors, memberCount, _softmax.Layout.HiddenSize, out var lanes);
        _softmax.DecodingTails[cluster].Forward(_softmax.Pool, _scratch, inputs, lanes);
        var rows = _softmax.Layout.Tails[cluster].Size;
        var laneLogits = _scratch.Floats(ScratchBuffer.Logits, (long)rows * lanes);
        var logSumExp = _scratch.Floats(ScratchBuffer.LogSumExp, lanes);
        var logits = _scratch.Floats(ScratchBuffer.TailRows, (long)memberCount * rows);
        Transpose.FromLanes(laneLogits, lanes, memberCount, rows, logits, rows);
        for (var i = 0; i < memberCount; i++) _rows[first + members[i]].Accept(cluster, logits + ((nint)i * rows), logSumExp[i]);
    }
}
