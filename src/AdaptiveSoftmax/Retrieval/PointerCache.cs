namespace AdaptiveSoftmax;

/// <summary>
/// A continuous cache: the last hidden states of a text and the tokens that followed them. For a new state h it gives
/// q(w) ∝ Σ exp(θ hᵀhᵢ) over the entries i whose token is w, so that a text's own names and terms come back where their context
/// does. "Improving neural language models with a continuous cache", Grave, Joulin and Usunier, 2017.
/// </summary>
/// <remarks>
/// It learns nothing and needs no training: mix <see cref="Retrieve"/>'s q into decoding with a weight λ chosen, with θ, on
/// validation text. A step costs one product of the kept states with h, [count, hidden], and allocates nothing once it has run.
/// A cache follows one text: one thread at a time uses it, and texts side by side have one each.
/// </remarks>
public sealed unsafe class PointerCache
{
    private readonly SoftmaxDecoder _softmax;
    private readonly int[] _tokens;
    private readonly float[] _states, _products;
    private int _next;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="softmax">The softmax whose states and tokens it keeps.</param>
    /// <param name="capacity">How many states it keeps, at least 1: the oldest one makes room for a new one. Memory is [capacity, hidden] floats.</param>
    /// <param name="theta">θ, how sharply likeness to a kept state counts; finite and not negative. At 0 all entries count alike.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public PointerCache(SoftmaxDecoder softmax, int capacity, float theta)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, Array.MaxLength / softmax.Layout.HiddenSize);
        _softmax = softmax;
        Theta = theta;
        _tokens = new int[capacity];
        _products = new float[capacity];
        _states = new float[capacity * softmax.Layout.HiddenSize];
    }

    /// <summary>θ.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative, NaN or infinite.</exception>
    public float Theta
    {
        get;
        set
        {
            if (!(value >= 0 && float.IsFinite(value))) throw new ArgumentOutOfRangeException(nameof(value), FormattableString.Invariant($"θ is {value}; it must be a finite number of 0 or more."));
            field = value;
        }
    }

    /// <summary>The most states that it keeps.</summary>
    public int Capacity => _tokens.Length;

    /// <summary>The states that it has.</summary>
    public int Count { get; private set; }

    private int HiddenSize => _softmax.Layout.HiddenSize;

    /// <summary>Keeps a state and the token that followed it; the oldest one makes room where the cache is full.</summary>
    /// <param name="hidden">The hidden vector that the token was predicted from, [hidden].</param>
    /// <param name="token">The token id that came.</param>
    /// <exception cref="ArgumentException">The vector has another length or a value that is not finite, or the token is not in the vocabulary; the cache stays as it was.</exception>
    public void Add(ReadOnlySpan<float> hidden, int token)
    {
        CheckHidden(hidden);
        if (_softmax.SlotOf(token) < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} is not in the vocabulary of {_softmax.Layout.VocabularySize} tokens."), nameof(token));
        hidden.CopyTo(StateAt(_next));
        _tokens[_next] = token;
        _next = (_next + 1) % Capacity;
        Count = Math.Min(Count + 1, Capacity);
    }

    /// <summary>Replaces what was retrieved by q of a state; by nothing where the cache is empty.</summary>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="retrieved">Receives q.</param>
    /// <exception cref="ArgumentException">The vector has another length or a value that is not finite, its product with a kept state is beyond float32, or the retrieved tokens are of another vocabulary.</exception>
    public void Retrieve(ReadOnlySpan<float> hidden, RetrievedTokens retrieved)
    {
        ArgumentNullException.ThrowIfNull(retrieved);
        RetrievedTokens.Check(_softmax, retrieved, weight: 0);
        CheckHidden(hidden);
        retrieved.Clear();
        if (Count == 0) return;
        fixed (float* states = _states, vector = hidden, products = _products) Gemv.Multiply(_softmax.Pool, new MatrixShape(Count, HiddenSize), states, vector, products);
        var known = _products.AsSpan(0, Count);
        if (FiniteValues.IndexOfOther(known) >= 0) throw new ArgumentException("The product of the hidden vector and a kept one is beyond float32; scale the hidden vectors down, and θ up.", nameof(hidden));
        var most = float.NegativeInfinity;
        foreach (var product in known) most = MathF.Max(most, product);

        // Oldest first, so that the same entries give the same sums wherever they stand.
        for (var i = 0; i < Count; i++)
        {
            var at = Place(i);
            retrieved.Add(_tokens[at], Math.Exp((double)Theta * ((double)_products[at] - most)));
        }
    }

    /// <summary>Forgets all states, as at the start of another text.</summary>
    public void Clear() => (Count, _next) = (0, 0);

    /// <summary>A cache with the same states, which goes its own way from here, as a forked sequence does.</summary>
    public PointerCache Clone()
    {
        var copy = new PointerCache(_softmax, Capacity, Theta) { Count = Count, _next = _next };
        _tokens.CopyTo(copy._tokens, 0);
        _states.CopyTo(copy._states, 0);
        return copy;
    }

    /// <summary>Saves states and tokens, oldest first, as a <see cref="StatesFile"/>, atomically. θ and the capacity are not in it.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <exception cref="InvalidOperationException">The cache is empty.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path)
    {
        ThrowIfEmpty();
        StatesWriter.Write(path, HiddenSize, AddTo);
    }

    /// <summary>Saves states and tokens to a stream, in the same form, so that a cache can lie in a database beside its conversation.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <exception cref="InvalidOperationException">The cache is empty.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream)
    {
        ThrowIfEmpty();
        StatesWriter.Write(stream, HiddenSize, AddTo);
    }

    /// <summary>Replaces what it keeps by the states of a file, of which it takes the last ones that it has room for.</summary>
    /// <param name="path">A file of <see cref="Save(string)"/>, or any states file of the same softmax.</param>
    /// <exception cref="WeightsFormatException">The file is damaged, or its hidden size or a token is not the softmax's; the cache stays as it was.</exception>
    /// <exception cref="IOException">It cannot be read; the cache stays as it was.</exception>
    public void Load(string path)
    {
        using var file = StatesFile.Open(path);
        Take(file);
    }

    /// <summary>Replaces what it keeps by the states of a stream, of which it takes the last ones that it has room for.</summary>
    /// <param name="stream">A stream with what <see cref="Save(Stream)"/> wrote, from where it stands to its end. It stays open.</param>
    /// <exception cref="WeightsFormatException">It is damaged, or its hidden size or a token is not the softmax's; the cache stays as it was.</exception>
    /// <exception cref="IOException">It cannot be read; the cache stays as it was.</exception>
    public void Load(Stream stream)
    {
        using var file = StatesFile.Open(stream);
        Take(file);
    }

    private void Take(StatesFile file)
    {
        file.Require(_softmax);
        var count = (int)Math.Min(file.Count, Capacity);
        var block = new StatesBlock();
        file.Read(file.Count - count, count, block);
        Clear();
        for (var i = 0; i < count; i++) Add(block.Hidden.Slice(i * HiddenSize, HiddenSize), block.Targets[i]);
    }

    private void AddTo(StatesWriter writer)
    {
        for (var i = 0; i < Count; i++) writer.Add(StateAt(Place(i)), _tokens.AsSpan(Place(i), 1));
    }

    private void ThrowIfEmpty()
    {
        if (Count == 0) throw new InvalidOperationException("The cache is empty, so there is nothing to save.");
    }

    // Where the i-th entry stands, oldest first.
    private int Place(int i) => (_next - Count + i + Capacity) % Capacity;

    private Span<float> StateAt(int place) => _states.AsSpan(place * HiddenSize, HiddenSize);

    private void CheckHidden(ReadOnlySpan<float> hidden)
    {
        if (hidden.Length != HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {HiddenSize}."), nameof(hidden));
        if (FiniteValues.IndexOfOther(hidden) is >= 0 and var at)
            throw new ArgumentException(FormattableString.Invariant($"Value {at} of the hidden vector is {hidden[at]}; all must be finite."), nameof(hidden));
    }
}
