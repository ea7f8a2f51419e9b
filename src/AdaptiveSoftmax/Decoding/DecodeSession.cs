namespace AdaptiveSoftmax;

/// <summary>
/// Decodes for one thread at a time, in memory of its own: after warm-up a step allocates nothing. Many sessions can decode
/// on one layer at once.
/// </summary>
public sealed unsafe partial class DecodeSession : IDisposable
{
    private const int Idle = 0;
    private const int Busy = 1;
    private const int Disposed = 2;

    private readonly SoftmaxDecoder _softmax;
    private readonly Scratch _scratch = new();
    private readonly RowDecoder _row;
    private readonly LogitDecoder _logits = new();
    private readonly ComputedLogits _computed = new();
    private readonly RetrievedMixture _mixture;
    private readonly ScreenedLogits? _screened;
    private DecodeOptions? _checked;
    private int _state;

    internal DecodeSession(SoftmaxDecoder softmax, DecodeCache? cache = null)
    {
        (_softmax, Cache) = (softmax, cache);
        _row = new RowDecoder(softmax.Layout);
        _mixture = new RetrievedMixture(softmax.Layout);
        _screened = softmax.CreateScreenedLogits();
    }

    /// <summary>The bytes that steps work in.</summary>
    internal long WorkingMemory => _scratch.Count * sizeof(float);

    /// <summary>The most probable tokens.</summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <param name="tokens">Receives token ids, best first, [k], and −1 where there are fewer; of equally probable ones the lower slot is better.</param>
    /// <param name="logProbs">Receives their log-probs, [k]; −∞ where there are fewer.</param>
    /// <param name="options">
    /// Penalties, biases, mask and policy; null for none. Temperature and filters do not matter here.
    /// </param>
    /// <param name="history">The tokens so far, for penalties; null for none.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, vectors and log-probs share memory, or an option is out of range.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public TopKResult TopK(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, DecodeOptions? options = null, TokenHistory? history = null) =>
        TopK(hidden, default, tokens, logProbs, options, history);

    /// <summary>Draws the next token.</summary>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <param name="options">How the token is chosen.</param>
    /// <param name="random">Where the random numbers stand; moves on by one position.</param>
    /// <param name="history">The tokens so far, for penalties; null for none. It is left as it is.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or an option is out of range.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite, or mask, biases and policy together leave no token.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public DecodedToken Sample(ReadOnlySpan<float> hidden, DecodeOptions options, ref SampleRandom random, TokenHistory? history = null) =>
        Sample(hidden, default, options, ref random, history);

    /// <summary>Draws the next token of a sequence and adds it to the sequence.</summary>
    /// <inheritdoc cref="Sample(ReadOnlySpan{float}, DecodeOptions, ref SampleRandom, TokenHistory?)"/>
    /// <param name="hidden">A hidden vector, [hidden].</param>
    /// <param name="sequence">The sequence.</param>
    public DecodedToken Sample(ReadOnlySpan<float> hidden, DecodeSequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        var random = sequence.Random;
        var result = Sample(hidden, sequence.Retrieval, sequence.Options, ref random, sequence.History);
        sequence.Random = random;
        sequence.History.Add(result.Token);
        return result;
    }

    /// <summary>After <c>Sample</c> of one hidden vector: the most probable tokens, as many as <see cref="DecodeOptions.TopLogProbs"/> asked for.</summary>
    /// <param name="tokens">Receives them, best first; token −1 where there are fewer.</param>
    /// <returns>Their number.</returns>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public int CopyTopLogProbs(Span<TokenLogProb> tokens)
    {
        ThrowIfDisposed();
        return _row.CopyTopLogProbs(_softmax, tokens);
    }

    /// <summary>Releases the session's memory; a step on another thread ends first.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _state, Disposed) == Idle) _scratch.Dispose();
    }

    /// <summary>Keeps the weights and the session's memory until the step ends.</summary>
    internal Step Begin()
    {
        _softmax.ThrowIfDisposed();
        var lease = _softmax.Leases.Take();
        if (Interlocked.CompareExchange(ref _state, Busy, Idle) is var state && state == Idle) return new Step(this, lease);
        lease.Dispose();
        ObjectDisposedException.ThrowIf(state == Disposed, this);
        throw new InvalidOperationException("Another thread decodes with this session; a session is one thread's, so create one for each.");
    }

    // For calls that may end before a step begins.
    private void ThrowIfDisposed()
    {
        _softmax.ThrowIfDisposed();
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _state) == Disposed, this);
    }

    private void End()
    {
        if (Interlocked.CompareExchange(ref _state, Idle, Busy) == Disposed) _scratch.Dispose();
    }

    /// <summary>A step in progress.</summary>
    internal readonly ref struct Step(DecodeSession session, MemoryLease lease) : IDisposable
    {
        public void Dispose()
        {
            session.End();
            lease.Dispose();
        }
    }

    private int BestCluster(RowDecoder row) => _softmax.Layout.ClusterOf(ScoreKey.Slot(row.Top[0]));

    private void RunOne(ReadOnlySpan<float> hidden, DecodeOptions options, TokenHistory? history, SampleRandom random, int top, bool wantsDraw, Retrieval retrieval)
    {
        fixed (float* vector = hidden)
        {
            _scratch.Reset();
            var head = _softmax.DecodingHead.ForwardOne(_softmax.Pool, _scratch, vector, _scratch.Floats(_softmax.Layout.HeadRows));
            CheckFinite(head.LogSumExp[0], tail: -1, vector, head.Logits);
            _row.Begin(options, history, random, top, wantsDraw, head.Logits, head.LogSumExp[0], retrieved: retrieval);
            for (var tail = _row.NextTail(); tail >= 0; tail = _row.NextTail())
            {
                using var ofTail = _scratch.Begin();
                var logits = _softmax.DecodingTails[tail].ForwardOne(_softmax.Pool, _scratch, vector, _scratch.Floats(_softmax.Layout.Tails[tail].Size));
                CheckFinite(logits.LogSumExp[0], tail, vector, logits.Logits);
                _row.Accept(tail, logits.Logits, logits.LogSumExp[0]);
            }
        }
    }

    private void CheckFinite(float logSumExp, int tail, float* hidden, float* logits)
    {
        if (float.IsFinite(logSumExp)) return;
        _row.Fail();
        var faults = default(DecodeFaults);
        faults.AddNotFinite(_softmax, row: 0, tail, hidden, logits, step: 1);
        faults.ThrowIfAny();
    }

    private void Check(ReadOnlySpan<float> hidden, [System.Diagnostics.CodeAnalysis.NotNull] ref DecodeOptions? options, TokenHistory? history)
    {
        if (hidden.Length != _softmax.Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {_softmax.Layout.HiddenSize}."), nameof(hidden));
        options ??= DecodeOptions.Default;
        CheckOptions(options, history);
    }

    // Options never change, so those of the last call need no second look.
    private void CheckOptions(DecodeOptions options, TokenHistory? history)
    {
        if (!ReferenceEquals(options, _checked))
        {
            options.Check(_softmax);
            _checked = options;
        }

        history?.Check(_softmax, nameof(history));
    }
}
