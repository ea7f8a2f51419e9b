namespace AdaptiveSoftmax;

/// <summary>
/// A sparse distribution q over tokens, from a retriever: nearest neighbours of a state, a <c>PointerCache</c>, a
/// customer's lexicon. Decoding mixes it with the softmax as (1 − λ) p + λ q. Made by
/// <see cref="SoftmaxDecoder.CreateRetrieved"/>; one serves a sequence for all its steps, cleared and filled before each, and
/// allocates nothing once it has held as many tokens.
/// </summary>
/// <remarks>
/// Masses are divided by their sum, so that any weights of 0 or more can be given. Without a token of positive mass nothing is
/// mixed: the model decides alone. It belongs to one thread at a time, and stays as it is while a call decodes with it.
/// </remarks>
public sealed class RetrievedTokens
{
    private readonly SoftmaxDecoder _softmax;
    private int[] _slots = new int[16];
    private double[] _masses = new double[16];
    private long[] _order = [];
    private double[] _unsorted = [];
    private int _count;
    private bool _isSorted = true;

    internal RetrievedTokens(SoftmaxDecoder softmax) => _softmax = softmax;

    /// <summary>The number of different tokens with a positive mass.</summary>
    public int Count
    {
        get
        {
            Sort();
            return _count;
        }
    }

    /// <summary>The sum of all masses, which they are divided by.</summary>
    public double Total { get; private set; }

    /// <summary>Takes all tokens out.</summary>
    public void Clear() => (_count, Total, _isSorted) = (0, 0, true);

    /// <summary>Adds mass to a token; masses of the same token add up, and 0 changes nothing.</summary>
    /// <param name="token">A token id.</param>
    /// <param name="mass">What is added, relative to the masses of the others; finite, 0 or more.</param>
    /// <exception cref="ArgumentException">The id is not in the vocabulary, or the mass is negative, NaN or infinite, or makes the sum of all infinite; nothing is added.</exception>
    public void Add(int token, double mass)
    {
        var slot = _softmax.SlotOf(token);
        if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} was retrieved and is not in the vocabulary of {_softmax.Layout.VocabularySize} tokens."), nameof(token));
        if (!(mass >= 0)) throw new ArgumentException(FormattableString.Invariant($"The mass of token {token} is {mass}; it must be a finite number of 0 or more."), nameof(mass));
        if (!double.IsFinite(Total + mass)) throw new ArgumentException(FormattableString.Invariant($"The mass of token {token} is {mass}, which makes the sum of all masses infinite; divide them all by one number."), nameof(mass));
        if (mass > 0) AddSlot(slot, mass);
    }

    /// <summary>Adds masses of tokens.</summary>
    /// <param name="tokens">Token ids; one may occur several times.</param>
    /// <param name="masses">What is added to each, [tokens].</param>
    /// <exception cref="ArgumentException">The lengths differ, or a pair is refused as above; those before it are added.</exception>
    public void Add(ReadOnlySpan<int> tokens, ReadOnlySpan<float> masses)
    {
        if (tokens.Length != masses.Length) throw new ArgumentException($"There are {masses.Length} masses of {tokens.Length} tokens; give one each.", nameof(masses));
        for (var i = 0; i < tokens.Length; i++) Add(tokens[i], masses[i]);
    }

    /// <summary>q of a token: its mass as a part of the sum of all.</summary>
    /// <param name="token">A token id.</param>
    /// <exception cref="ArgumentException">The id is not in the vocabulary.</exception>
    public double ProbabilityOf(int token)
    {
        var slot = _softmax.SlotOf(token);
        if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} is not in the vocabulary of {_softmax.Layout.VocabularySize} tokens."), nameof(token));
        var at = Slots.BinarySearch(slot);
        return at < 0 ? 0 : _masses[at] / Total;
    }

    /// <summary>log((1 − λ) p + λ q) of a token whose log p is known, such as from <see cref="SoftmaxDecoder.LogProbOf(ReadOnlySpan{float}, ReadOnlySpan{int}, Span{float})"/>.</summary>
    /// <param name="logProb">The model's log-prob of the token.</param>
    /// <param name="token">The token id.</param>
    /// <param name="weight">λ, from 0 to 1. Where nothing was retrieved it is taken for 0, as decoding does.</param>
    /// <exception cref="ArgumentException">The id is not in the vocabulary, or λ is not from 0 to 1.</exception>
    public float Mix(float logProb, int token, float weight)
    {
        CheckWeight(weight);
        var q = ProbabilityOf(token);
        return weight == 0 || _count == 0 ? logProb : Mix(logProb, q, weight);
    }

    internal static float Mix(double logProb, double q, double weight) =>
        (float)TailMass.Add(logProb + Math.Log(1 - weight), Math.Log(weight) + Math.Log(q));

    internal SoftmaxIdentity Identity => _softmax.Identity;

    /// <summary>The slots, ascending.</summary>
    internal ReadOnlySpan<int> Slots
    {
        get
        {
            Sort();
            return _slots.AsSpan(0, _count);
        }
    }

    /// <summary>The masses of <see cref="Slots"/>, all positive.</summary>
    internal ReadOnlySpan<double> Masses
    {
        get
        {
            Sort();
            return _masses.AsSpan(0, _count);
        }
    }

    /// <summary>Checks λ, and that the tokens are of the same vocabulary.</summary>
    internal static void Check(ISoftmaxVocabulary softmax, RetrievedTokens? retrieved, float weight)
    {
        CheckWeight(weight);
        if (retrieved is not null && !retrieved.Identity.Equals(softmax.Identity))
            throw new ArgumentException("The retrieved tokens belong to another vocabulary; make them with this layer's CreateRetrieved.", nameof(retrieved));
    }

    private static void CheckWeight(float weight)
    {
        if (!(weight is >= 0 and <= 1)) throw new ArgumentException(FormattableString.Invariant($"The weight of the retrieved tokens is {weight}; it must be from 0 to 1."), nameof(weight));
    }

    private void AddSlot(int slot, double mass)
    {
        if (_count == _slots.Length)
        {
            Array.Resize(ref _slots, 2 * _count);
            Array.Resize(ref _masses, 2 * _count);
        }

        (_slots[_count], _masses[_count]) = (slot, mass);
        _count++;
        Total += mass;
        _isSorted = false;
    }

    // By slot, and then in the order in which masses came, so that their sums do not hang on how a sort works.
    private void Sort()
    {
        if (_isSorted) return;
        if (_order.Length < _count) (_order, _unsorted) = (new long[_slots.Length], new double[_slots.Length]);
        for (var i = 0; i < _count; i++) (_order[i], _unsorted[i]) = (((long)_slots[i] << 32) + i, _masses[i]);
        var order = _order.AsSpan(0, _count);
        order.Sort();
        var last = -1;
        foreach (var entry in order)
        {
            var (slot, mass) = ((int)(entry >> 32), _unsorted[(int)entry]);
            if (last >= 0 && _slots[last] == slot) _masses[last] += mass;
            else (_slots[++last], _masses[last]) = (slot, mass);
        }

        _count = last + 1;
        _isSorted = true;
    }
}
