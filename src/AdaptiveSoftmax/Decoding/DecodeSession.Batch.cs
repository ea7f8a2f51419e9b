namespace AdaptiveSoftmax;

// Batches: the head and each tail that some row needs are one product for all rows that need it.
public sealed unsafe partial class DecodeSession
{
    private RowDecoder[] _rows = [];
    private int[] _order = [];
    private RowState[] _states = [];
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
        fixed (float* vectors = hidden)
        {
            var open = ScreenDraws(vectors, sequences, results, ref faults);
            for (var first = 0; first < open; first += _softmax.DecodeBlockSize)
                ComputeDraws(vectors, _order.AsSpan(first, Math.Min(_softmax.DecodeBlockSize, open - first)), sequences, results, ref faults);
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
        CheckPlaces(hidden, tokens, logProbs, results.Length);
        Rank(hidden, new RankedRows(options, retrieved, weight, default, tokens, logProbs, results));
    }

    /// <summary>
    /// The most probable tokens of each sequence, by its own penalties, biases, mask, policy and retrieved tokens; temperature and
    /// filters do not matter here. Sequences stay as they are.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="sequences">The sequences, [rows]; one may stand in several rows.</param>
    /// <param name="tokens">Receives token ids, best first, [rows, k]; −1 where a row has fewer.</param>
    /// <param name="logProbs">Receives their log-probs, [rows, k]; −∞ where a row has fewer.</param>
    /// <param name="results">Receives what was found, [rows].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or vectors and log-probs share memory.</exception>
    /// <exception cref="DecodeException">For some rows a value that was read is not finite: they have no tokens, and all others have theirs.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void TopK(ReadOnlySpan<float> hidden, ReadOnlySpan<DecodeSequence> sequences, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results)
    {
        CheckBatch(hidden, results.Length);
        if (results.Length != sequences.Length)
            throw new ArgumentException($"There is room for {results.Length} results of {sequences.Length} sequences; give one place each.", nameof(results));
        for (var i = 0; i < sequences.Length; i++)
        {
            if (sequences[i] is null) throw new ArgumentException(FormattableString.Invariant($"Sequence {i} is null."), nameof(sequences));
            CheckSequence(sequences[i]);
        }

        if (results.Length == 0) return;
        CheckPlaces(hidden, tokens, logProbs, results.Length);
        Rank(hidden, new RankedRows(DecodeOptions.Default, default, weight: 0, sequences, tokens, logProbs, results));
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

    private static void CheckPlaces(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, int rows)
    {
        if (tokens.Length != logProbs.Length || tokens.Length % rows != 0)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {tokens.Length} tokens and {logProbs.Length} log-probs of {rows} hidden vectors; give [rows, k] of both."), nameof(tokens));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)logProbs, "the hidden vectors", "the log-probs", nameof(logProbs));
    }

    private void CheckSequences(ReadOnlySpan<DecodeSequence> sequences)
    {
        DecodeSequence.EnterBatch(sequences);
        foreach (var sequence in sequences) CheckSequence(sequence);
    }

    private void CheckSequence(DecodeSequence sequence)
    {
        CheckOptions(sequence.Options, sequence.History);
        RetrievedTokens.Check(_softmax, sequence.Retrieved, sequence.RetrievedWeight);
    }

    private void PrepareRows(int rows)
    {
        _batchRows = rows;
        if (_rows.Length >= rows) return;
        var first = _rows.Length;
        Array.Resize(ref _rows, rows);
        Array.Resize(ref _order, rows);
        Array.Resize(ref _states, rows);
        for (var i = first; i < rows; i++) _rows[i] = new RowDecoder(_softmax.Layout);
    }

    // Rows of a batch that all stored weights decide: each by its logits, or by a row decoder, which asks for tails.
    private void ComputeDraws(float* hidden, ReadOnlySpan<int> rows, ReadOnlySpan<DecodeSequence> sequences, Span<DecodedToken> results, ref DecodeFaults faults)
    {
        var head = HeadBlock(hidden, rows, out var logSumExp, ref faults);
        for (var i = 0; i < rows.Length; i++)
        {
            var (row, sequence) = (_rows[rows[i]], sequences[rows[i]]);
            if (row.HasFailed) continue;
            var logits = head + ((nint)i * _softmax.Layout.HeadRows);
            if (DrawsByLogits(sequence.Options, sequence.Retrieval)) results[rows[i]] = DrawRow(row, sequence, logits, logSumExp[i]);
            else row.Begin(sequence.Options, sequence.History, sequence.Random, sequence.Options.TopLogProbs, wantsDraw: true, logits, logSumExp[i], retrieved: sequence.Retrieval);
        }

        RunTails(hidden, rows, ref faults);
        foreach (var row in rows)
        {
            if (!DrawsByLogits(sequences[row].Options, sequences[row].Retrieval) || _rows[row].HasFailed)
                results[row] = _rows[row].Report(_softmax, _rows[row].Finish());
            if (results[row].Token < 0 && !_rows[row].HasFailed) faults.AddNoTokenLeft(row);
        }
    }

    private void Rank(ReadOnlySpan<float> hidden, in RankedRows rows)
    {
        var count = rows.Results.Length;
        using var step = Begin();
        var start = DecodeMetrics.Start();
        var faults = default(DecodeFaults);
        PrepareRows(count);
        fixed (float* vectors = hidden)
        {
            var open = ScreenRanks(vectors, rows);
            for (var first = 0; first < open; first += _softmax.DecodeBlockSize)
                ComputeRanks(vectors, _order.AsSpan(first, Math.Min(_softmax.DecodeBlockSize, open - first)), rows, ref faults);
        }

        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_softmax.Layout)], _softmax.Layout);
        for (var i = 0; i < count; i++)
        {
            if (rows.Results[i].Count > 0) tally.Add(_rows[i].Top.Length > 0 ? BestCluster(_rows[i]) : 0, rows.Results[i].TailsVisited);
            if (rows.Results[i].UnseenMass > 0) DecodeMetrics.RecordApproximate(_softmax.Tags, rows.OptionsOf(i).Policy.ToString());
        }

        DecodeMetrics.RecordBatch(start, _softmax.Tags, tally);
        faults.ThrowIfAny();
    }

    private void ComputeRanks(float* hidden, ReadOnlySpan<int> block, in RankedRows rows, ref DecodeFaults faults)
    {
        var head = HeadBlock(hidden, block, out var logSumExp, ref faults);
        for (var i = 0; i < block.Length; i++)
        {
            var row = block[i];
            if (_rows[row].HasFailed) continue;
            var logits = head + ((nint)i * _softmax.Layout.HeadRows);
            if (RanksByLogits(rows.OptionsOf(row)) && !rows.RetrievalOf(row).IsActive) RankRow(row, rows, logits, logSumExp[i]);
            else _rows[row].Begin(rows.OptionsOf(row), rows.HistoryOf(row), default, rows.Count, wantsDraw: false, logits, logSumExp[i], retrieved: rows.RetrievalOf(row));
        }

        RunTails(hidden, block, ref faults);
        foreach (var row in block)
        {
            if (RanksByLogits(rows.OptionsOf(row)) && !rows.RetrievalOf(row).IsActive && !_rows[row].HasFailed) continue;
            rows.Results[row] = _rows[row].CopyTop(_softmax, rows.TokensOf(row), rows.LogProbsOf(row));
        }
    }

    // Row by row, since each row's choice reads the whole of its logits. Rows without a log-sum-exp have failed.
    private float* HeadBlock(float* hidden, ReadOnlySpan<int> rows, out float* logSumExp, ref DecodeFaults faults)
    {
        _scratch.Reset();
        var size = _softmax.Layout.HeadRows;
        var logits = _scratch.Floats((long)rows.Length * size);
        logSumExp = _scratch.Floats(rows.Length);
        using var scope = _scratch.Begin();
        fixed (int* members = rows)
        {
            var inputs = _softmax.HiddenLanes(_scratch, hidden, members, rows.Length, out var lanes);
            var head = _softmax.DecodingHead.Forward(_softmax.Pool, _scratch, inputs, lanes);
            Transpose.FromLanes(_softmax.Pool, head.Logits, lanes, rows.Length, size, logits, size);
            new ReadOnlySpan<float>(head.LogSumExp, rows.Length).CopyTo(new Span<float>(logSumExp, rows.Length));
        }

        for (var i = 0; i < rows.Length; i++)
        {
            _rows[rows[i]].HasFailed = false;
            if (!float.IsFinite(logSumExp[i])) Fail(hidden, rows[i], tail: -1, logits + ((nint)i * size), ref faults);
        }

        return logits;
    }

    private void Fail(float* hidden, int row, int tail, float* logits, ref DecodeFaults faults)
    {
        _rows[row].Fail();
        faults.AddNotFinite(_softmax, row, tail, hidden + ((nint)row * _softmax.Layout.HiddenSize), logits, step: 1);
    }

    // A tail is one product for all rows that ask for it: the one that most rows ask for comes first, so that those it
    // leaves open join the rows of their next one.
    private void RunTails(float* hidden, ReadOnlySpan<int> rows, ref DecodeFaults faults)
    {
        var wanted = new Span<int>(_scratch.Ints(rows.Length), rows.Length);
        for (var i = 0; i < rows.Length; i++) wanted[i] = _rows[rows[i]].NextTail();
        Span<int> counts = stackalloc int[_softmax.Layout.TailCount];
        for (var tail = SoftmaxDecoder.MostWanted(wanted, counts); tail >= 0; tail = SoftmaxDecoder.MostWanted(wanted, counts))
        {
            using var scope = _scratch.Begin();
            var members = new Span<int>(_scratch.Ints(rows.Length), rows.Length);
            members = members[..SoftmaxDecoder.FindMembers(wanted, tail, members)];
            foreach (ref var member in members) member = rows[member];
            RunTail(hidden, members, tail, ref faults);
            for (var i = 0; i < rows.Length; i++)
            {
                if (wanted[i] == tail) wanted[i] = _rows[rows[i]].NextTail();
            }
        }
    }

    private void RunTail(float* hidden, ReadOnlySpan<int> rows, int tail, ref DecodeFaults faults)
    {
        fixed (int* members = rows)
        {
            var inputs = _softmax.HiddenLanes(_scratch, hidden, members, rows.Length, out var lanes);
            var block = _softmax.DecodingTails[tail].Forward(_softmax.Pool, _scratch, inputs, lanes);
            var size = _softmax.Layout.Tails[tail].Size;
            var logits = _scratch.Floats((long)rows.Length * size);
            Transpose.FromLanes(_softmax.Pool, block.Logits, lanes, rows.Length, size, logits, size);
            for (var i = 0; i < rows.Length; i++)
            {
                var own = logits + ((nint)i * size);
                if (float.IsFinite(block.LogSumExp[i])) _rows[rows[i]].Accept(tail, own, block.LogSumExp[i]);
                else Fail(hidden, rows[i], tail, own, ref faults);
            }
        }
    }
}
