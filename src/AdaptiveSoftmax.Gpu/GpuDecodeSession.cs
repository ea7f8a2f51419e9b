using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Top-k and sampling of batches on a device, with the options of the CPU's <see cref="DecodeSession"/> for each row. The rules are the
/// CPU's own: logits and scores stay on the device, the host gets what the choice needs, and asks for the tails that can matter.
/// </summary>
/// <remarks>
/// A session belongs to one thread, as its layer and accelerator do. Its working memory grows to the largest batch and stays.
/// </remarks>
public sealed class GpuDecodeSession : IDisposable
{
    private readonly GpuSoftmaxDecoder _softmax;
    private readonly SoftmaxLayout _layout;
    private readonly DecodeStep _step;
    private readonly LayerTags _tags;
    private readonly List<int> _failed = [];
    private MemoryBuffer1D<float, Stride1D.Dense>? _vectors;
    private RowDecoder[] _rows = [];
    private int[] _wanted = [], _members = [], _counts;
    private int _batchRows;
    private bool _disposed;

    internal GpuDecodeSession(GpuSoftmaxDecoder softmax, DecodeStep step)
    {
        (_softmax, _layout, _step) = (softmax, softmax.Layout, step);
        _tags = new LayerTags(softmax.GetType().Name, _layout.TailCount);
        _counts = new int[_layout.TailCount];
    }

    /// <summary>The bytes of working memory on the device, for the largest batch so far.</summary>
    public long WorkingBytes => _step.Bytes + (_vectors?.LengthInBytes ?? 0);

    /// <summary>What was copied between host and device.</summary>
    internal HostTraffic Traffic => _step.Traffic;

    /// <summary>Draws the next token of each sequence and adds it to the sequence: <see cref="DecodeSession.Sample(ReadOnlySpan{float}, ReadOnlySpan{DecodeSequence}, Span{DecodedToken})"/>.</summary>
    /// <param name="hidden">Hidden vectors on the host, [rows, hidden].</param>
    /// <param name="sequences">The sequences, [rows], all different.</param>
    /// <param name="results">Receives the tokens, [rows].</param>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a sequence stands in two rows, or its options are none that a device has; no sequence has changed then.
    /// </exception>
    /// <exception cref="DecodeException">
    /// For some rows a value that was read is not finite, or mask, biases and policy leave no token: their token is −1 and their
    /// sequences are as they were. All other rows have their tokens, and their sequences have moved on.
    /// </exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void Sample(ReadOnlySpan<float> hidden, ReadOnlySpan<DecodeSequence> sequences, Span<DecodedToken> results)
    {
        CheckBatch(hidden.Length, sequences.Length, nameof(hidden));
        CheckSequences(sequences, results.Length);
        Sample(Upload(hidden), sequences, results);
    }

    /// <summary>Draws the next token of each sequence from vectors that lie on the device.</summary>
    /// <inheritdoc cref="Sample(ReadOnlySpan{float}, ReadOnlySpan{DecodeSequence}, Span{DecodedToken})"/>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="sequences">The sequences, [rows], all different.</param>
    /// <param name="results">Receives the tokens, [rows].</param>
    public void Sample(ArrayView<float> hidden, ReadOnlySpan<DecodeSequence> sequences, Span<DecodedToken> results)
    {
        CheckBatch(hidden.Length, sequences.Length, nameof(hidden));
        CheckOwner(hidden);
        CheckSequences(sequences, results.Length);
        var start = DecodeMetrics.Start();
        PrepareRows(sequences.Length);
        for (var i = 0; i < sequences.Length; i++)
        {
            var (options, row) = (sequences[i].Options, _rows[i]);
            row.Prepare(options, sequences[i].History, sequences[i].Random, options.TopLogProbs, wantsDraw: true);
        }

        var faults = default(DecodeFaults);
        Run(hidden, wantsDraw: true, ref faults);
        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_layout)], _layout);
        for (var i = 0; i < results.Length; i++)
        {
            var key = _rows[i].Finish();
            if (key == ScoreKey.None && !_rows[i].HasFailed) faults.AddNoTokenLeft(i);
            results[i] = _rows[i].Report(_softmax, key);
            if (results[i].Token < 0) continue;
            sequences[i].MoveOn(results[i].Token);
            tally.Add(results[i].Cluster, results[i].TailsVisited);
            if (results[i].UnseenMass > 0) DecodeMetrics.RecordApproximate(_tags, sequences[i].Options.Policy.ToString());
        }

        DecodeMetrics.RecordBatch(start, _tags, tally);
        faults.ThrowIfAny();
    }

    /// <summary>The most probable tokens of each hidden vector: <see cref="DecodeSession.TopK(ReadOnlySpan{float}, Span{int}, Span{float}, Span{TopKResult}, DecodeOptions?)"/>.</summary>
    /// <param name="hidden">Hidden vectors on the host, [rows, hidden].</param>
    /// <param name="tokens">Receives token ids, best first, [rows, k]; −1 where a row has fewer. Of equally probable ones the lower slot is better.</param>
    /// <param name="logProbs">Receives their log-probs, [rows, k]; −∞ where a row has fewer.</param>
    /// <param name="results">Receives what was found, [rows].</param>
    /// <param name="options">Biases, mask and policy; null for none.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or an option is out of range or none that a device has.</exception>
    /// <exception cref="DecodeException">For some rows a value that was read is not finite: they have no tokens, and all others have theirs.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public void TopK(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results, DecodeOptions? options = null)
    {
        CheckBatch(hidden.Length, results.Length, nameof(hidden));
        CheckTopK(tokens.Length, logProbs.Length, results.Length, options);
        TopK(Upload(hidden), tokens, logProbs, results, options);
    }

    /// <summary>The most probable tokens of each hidden vector that lies on the device.</summary>
    /// <inheritdoc cref="TopK(ReadOnlySpan{float}, Span{int}, Span{float}, Span{TopKResult}, DecodeOptions?)"/>
    /// <param name="hidden">Hidden vectors, [rows, hidden].</param>
    /// <param name="tokens">Receives token ids, best first, [rows, k]; −1 where a row has fewer. Of equally probable ones the lower slot is better.</param>
    /// <param name="logProbs">Receives their log-probs, [rows, k]; −∞ where a row has fewer.</param>
    /// <param name="results">Receives what was found, [rows].</param>
    /// <param name="options">Biases, mask and policy; null for none.</param>
    public void TopK(ArrayView<float> hidden, Span<int> tokens, Span<float> logProbs, Span<TopKResult> results, DecodeOptions? options = null)
    {
        CheckBatch(hidden.Length, results.Length, nameof(hidden));
        CheckOwner(hidden);
        CheckTopK(tokens.Length, logProbs.Length, results.Length, options);
        if (results.Length == 0) return;
        options ??= DecodeOptions.Default;
        var k = tokens.Length / results.Length;
        var start = DecodeMetrics.Start();
        PrepareRows(results.Length);
        for (var i = 0; i < results.Length; i++) _rows[i].Prepare(options, history: null, default, k, wantsDraw: false);
        var faults = default(DecodeFaults);
        Run(hidden, wantsDraw: false, ref faults);
        var tally = new ClusterTally(stackalloc long[ClusterTally.Length(_layout)], _layout);
        var approximate = 0;
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = _rows[i].CopyTop(_softmax, tokens.Slice(i * k, k), logProbs.Slice(i * k, k));
            if (results[i].Count > 0) tally.Add(_layout.ClusterOf(ScoreKey.Slot(_rows[i].Top[0])), results[i].TailsVisited);
            if (results[i].UnseenMass > 0) approximate++;
        }

        DecodeMetrics.RecordBatch(start, _tags, tally);
        if (approximate > 0) DecodeMetrics.RecordApproximate(_tags, options.Policy.ToString(), approximate);
        faults.ThrowIfAny();
    }

    /// <summary>After <c>Sample</c>: the most probable tokens of a row, as many as its options asked for.</summary>
    /// <param name="row">The row.</param>
    /// <param name="tokens">Receives them, best first; token −1 where there are fewer.</param>
    /// <returns>Their number.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The last batch has no such row.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public int CopyTopLogProbs(int row, Span<TokenLogProb> tokens)
    {
        CheckUsable();
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, _batchRows);
        return _rows[row].CopyTopLogProbs(_softmax, tokens);
    }

    /// <summary>Releases the session's memory on the device; the layer stays as it is.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _step.Dispose();
        _vectors?.Dispose();
    }

    private void Run(ArrayView<float> hidden, bool wantsDraw, ref DecodeFaults faults)
    {
        try
        {
            RunBlocks(hidden, wantsDraw, ref faults);
        }
        catch
        {
            _batchRows = 0;
            _step.Release();
            throw;
        }
    }

    // Blocks of rows: the head of all, and each tail for all rows that ask for it, the one that most ask for first.
    private void RunBlocks(ArrayView<float> hidden, bool wantsDraw, ref DecodeFaults faults)
    {
        for (var first = 0; first < _batchRows; first += _step.BlockSize)
        {
            var rows = _rows.AsSpan(first, Math.Min(_step.BlockSize, _batchRows - first));
            var wanted = _wanted.AsSpan(0, rows.Length);
            _step.TakeHead(hidden.SubView((long)first * _layout.HiddenSize, (long)rows.Length * _layout.HiddenSize), rows, wantsDraw, _failed);
            AddFaults(hidden, first, tail: -1, ref faults);
            for (var i = 0; i < rows.Length; i++) wanted[i] = rows[i].NextTail();
            for (var tail = SoftmaxDecoder.MostWanted(wanted, _counts); tail >= 0; tail = SoftmaxDecoder.MostWanted(wanted, _counts))
            {
                var members = _members.AsSpan(0, SoftmaxDecoder.FindMembers(wanted, tail, _members));
                _step.TakeTail(tail, rows, members, _failed);
                AddFaults(hidden, first, tail, ref faults);
                foreach (var i in members) wanted[i] = rows[i].NextTail();
            }
        }
    }

    private void AddFaults(ArrayView<float> hidden, int first, int tail, ref DecodeFaults faults)
    {
        if (_failed.Count == 0) return;
        var vector = new float[_layout.HiddenSize];
        foreach (var row in _failed)
        {
            Traffic.Download(hidden.SubView((long)(first + row) * vector.Length, vector.Length), vector);
            faults.AddNotFinite(first + row, tail, vector);
        }

        _failed.Clear();
    }

    private ArrayView<float> Upload(ReadOnlySpan<float> hidden)
    {
        if (_vectors is null || _vectors.Length < hidden.Length)
        {
            _vectors?.Dispose();
            _vectors = null;
            _vectors = DeviceMemory.Allocate<float>(_softmax.Accelerator, hidden.Length, "hidden vectors from the host");
        }

        var view = ((ArrayView<float>)_vectors.View).SubView(0, hidden.Length);
        if (hidden.Length > 0) Traffic.Upload(hidden, view);
        return view;
    }

    private void PrepareRows(int rows)
    {
        _failed.Clear();
        _batchRows = rows;
        if (_rows.Length >= rows) return;
        (_wanted, _members) = (new int[rows], new int[rows]);
        _rows = [.. _rows, .. Enumerable.Range(_rows.Length, rows - _rows.Length).Select(_ => new RowDecoder(_layout))];
    }

    private void CheckUsable()
    {
        _softmax.CheckUsable();
        ObjectDisposedException.ThrowIf(_disposed, this);
    }

    private void CheckBatch(long length, int rows, string name)
    {
        CheckUsable();
        if (length != (long)rows * _layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vectors hold {length} values; {rows} rows of the hidden size {_layout.HiddenSize} are {(long)rows * _layout.HiddenSize}."), name);
    }

    private void CheckOwner(ArrayView<float> hidden)
    {
        if (hidden.Length > 0 && hidden.GetAccelerator() != _softmax.Accelerator)
            throw new ArgumentException($"The hidden vectors lie in the memory of '{hidden.GetAccelerator().Name}', which is another accelerator than the layer's '{_softmax.Accelerator.Name}'; allocate them on the layer's.", nameof(hidden));
    }

    private void CheckSequences(ReadOnlySpan<DecodeSequence> sequences, int results)
    {
        if (results != sequences.Length)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {results} tokens of {sequences.Length} sequences; give one place each."), nameof(results));
        DecodeSequence.EnterBatch(sequences);
        foreach (var sequence in sequences)
        {
            CheckOptions(sequence.Options);
            sequence.History.Check(_softmax, nameof(sequences));
            if (sequence.Retrieval.IsActive) throw new ArgumentException("Retrieved tokens are not mixed in on a device; decode such sequences with the CPU's session.", nameof(sequences));
        }
    }

    private void CheckTopK(int tokens, int logProbs, int results, DecodeOptions? options)
    {
        CheckOptions(options ?? DecodeOptions.Default);
        if (results > 0 && (tokens != logProbs || tokens % results != 0))
            throw new ArgumentException(FormattableString.Invariant($"There is room for {tokens} tokens and {logProbs} log-probs of {results} hidden vectors; give [rows, k] of both."), nameof(tokens));
    }

    private void CheckOptions(DecodeOptions options)
    {
        options.Check(_softmax);
        if (options.Sampler != SamplerKind.Inversion)
            throw new ArgumentException($"{options.Sampler} draws are not made on a device; set {nameof(DecodeOptions.Sampler)} to {nameof(SamplerKind.Inversion)}.", nameof(options));
    }
}
