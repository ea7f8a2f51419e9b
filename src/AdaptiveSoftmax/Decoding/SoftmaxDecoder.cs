using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// An adaptive softmax that decodes on the CPU: log-probs, predictions, top-k, sampling and scoring, exact while only the
/// tails are computed that can matter. A trainable layer is one (<see cref="AdaptiveSoftmaxLayer"/>).
/// </summary>
/// <remarks>
/// Tokens go in and out as ids; a token's slot is its rank by count. Decoding is safe from several threads at once, while
/// nobody changes the weights.
/// </remarks>
public abstract partial class SoftmaxDecoder : ISoftmaxVocabulary, IDisposable
{
    private readonly IDisposable _workers;
    private readonly bool _ownsLeases;
    private int _isDisposed;

    /// <summary>Prepares a decoder.</summary>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="options">How it runs.</param>
    /// <param name="leases">The calls on another decoder's weights that this one uses too; null for weights of its own.</param>
    private protected SoftmaxDecoder(SoftmaxIdentity identity, AdaptiveSoftmaxOptions? options, MemoryLeases? leases = null)
    {
        ByteOrder.Check();
        ArgumentNullException.ThrowIfNull(identity);
        Options = options ?? AdaptiveSoftmaxOptions.Default;
        Options.Check();
        Identity = identity;
        _ownsLeases = leases is null;
        Leases = leases ?? new MemoryLeases();
        ScratchPool = new ScratchPool(GetType(), Leases);
        _sessions = new IdlePool<DecodeSession>(() => new DecodeSession(this), GetType());
        Pool = WorkerPool.Get(Options.Threads);
        _workers = Pool.KeepWorkers();
        var mostRows = Layout.Tails.Select(tail => tail.Size).Append(Layout.HeadRows).Max();
        DecodeBlockSize = TokenBlocks.BlockSize(mostRows, Options.ScratchBytes);
    }

    /// <summary>What weights must agree on to be loaded.</summary>
    public SoftmaxIdentity Identity { get; }

    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout => Identity.Layout;

    /// <summary>Counts the changes of the weights that it decodes with; those of a quantised copy never change.</summary>
    public long WeightsVersion => Version;

    /// <inheritdoc cref="WeightsVersion"/>
    private protected virtual long Version => 0;

    /// <summary>The bytes of working memory that calls have left for the next ones.</summary>
    internal long WorkingMemory => ScratchPool.FreeBytes + _sessions.SumFree(static session => session.WorkingMemory);

    /// <summary>Gives back the working memory that no call has needed since the last time.</summary>
    internal void TrimWorkingMemory()
    {
        ScratchPool.Trim();
        _sessions.Trim();
    }

    /// <summary>The head: the shortlist's rows, then one row a cluster.</summary>
    internal abstract IDecodingCluster DecodingHead { get; }

    /// <summary>The tails in slot order.</summary>
    internal abstract IReadOnlyList<IDecodingCluster> DecodingTails { get; }

    /// <summary>Bounds of a softmax without tails from smaller copies of its weights; null where there are none.</summary>
    internal virtual ScreenedLogits? CreateScreenedLogits() => null;

    /// <summary>The most tokens that decoding takes at a time.</summary>
    internal int DecodeBlockSize { get; }

    private protected AdaptiveSoftmaxOptions Options { get; }

    internal WorkerPool Pool { get; }

    private protected ScratchPool ScratchPool { get; }

    /// <summary>The calls that work with the weights.</summary>
    internal MemoryLeases Leases { get; }

    /// <summary>Whether it is disposed; calls that began before may still run.</summary>
    internal bool IsDisposed => Volatile.Read(ref _isDisposed) != 0;

    /// <summary>
    /// Releases the weights. Calls on other threads end first, or with an <see cref="ObjectDisposedException"/>, which every
    /// later call throws; what only describes it, such as its layout, can still be read.
    /// </summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        if (_ownsLeases) Leases.Close(GetType());
        ScratchPool.Dispose();
        _sessions.Dispose();
        DisposeWeights();
        Leases.WhenUnused(_workers.Dispose);
    }

    /// <summary>Refuses a call that needs no weights as all others are refused.</summary>
    /// <exception cref="ObjectDisposedException">It, or the layer whose weights it uses, is disposed.</exception>
    internal void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        Leases.ThrowIfClosed();
    }

    /// <summary>The slot of a token, or −1 for an id that is not in the vocabulary.</summary>
    /// <param name="tokenId">A token's id.</param>
    protected abstract int FindSlot(int tokenId);

    /// <summary>The id of the token in a slot.</summary>
    /// <param name="slot">A slot in [0, V).</param>
    protected abstract int GetTokenId(int slot);

    /// <inheritdoc cref="FindSlot"/>
    internal int SlotOf(int tokenId) => FindSlot(tokenId);

    /// <inheritdoc cref="GetTokenId"/>
    internal int TokenOf(int slot) => GetTokenId(slot);

    int ISoftmaxVocabulary.SlotOf(int tokenId) => FindSlot(tokenId);

    int ISoftmaxVocabulary.TokenOf(int slot) => GetTokenId(slot);

    private protected abstract void DisposeWeights();

    private protected int CheckHidden(ReadOnlySpan<float> hidden)
    {
        if (hidden.Length % Layout.HiddenSize != 0)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vectors hold {hidden.Length} values, which is no multiple of the hidden size {Layout.HiddenSize}."), nameof(hidden));
        return hidden.Length / Layout.HiddenSize;
    }
}
