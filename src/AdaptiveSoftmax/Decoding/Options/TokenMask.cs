using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// A set of allowed tokens, a bit each, for constrained decoding. Made by <see cref="SoftmaxDecoder.CreateAllowMask"/>,
/// <see cref="SoftmaxDecoder.CreateDenyMask"/> or <see cref="SoftmaxDecoder.CreateMask"/>. It may serve any number of sequences, and
/// can be set anew between steps, as a grammar asks; not while a call decodes with it.
/// </summary>
public sealed class TokenMask
{
    private const int WordBits = 64;

    private readonly ISoftmaxVocabulary _softmax;

    // By slot. One word more, so that 64 bits can be read from any slot.
    private readonly ulong[] _allowed;
    private readonly int[] _starts;
    private readonly int[] _counts;
    private ulong[]? _words;

    internal TokenMask(ISoftmaxVocabulary softmax)
    {
        _softmax = softmax;
        var layout = softmax.Layout;
        _allowed = new ulong[WordCount(layout.VocabularySize) + 1];
        _starts = [0, .. layout.Tails.Select(tail => tail.Start), layout.VocabularySize];
        _counts = new int[layout.TailCount + 1];
        AllowAll();
        Count();
    }

    internal TokenMask(ISoftmaxVocabulary softmax, IEnumerable<int> tokens, bool areAllowed)
        : this(softmax)
    {
        if (areAllowed) _allowed.AsSpan().Clear();
        foreach (var token in tokens)
        {
            var slot = softmax.SlotOf(token);
            if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} is not in the vocabulary of {VocabularySize} tokens."), nameof(tokens));
            Set(slot, areAllowed);
        }

        Count();
        if (AllowedCount == 0) throw new ArgumentException("No token is left that may be chosen.", nameof(tokens));
    }

    /// <summary>The number of allowed tokens. With none, decoding says that no token is left.</summary>
    public int AllowedCount { get; private set; }

    internal SoftmaxIdentity Identity => _softmax.Identity;

    /// <summary>The bits by slot, with one word more.</summary>
    internal ReadOnlySpan<ulong> Words => _allowed;

    /// <summary>Counts how often the mask was set: a copy elsewhere is as old as it.</summary>
    internal int Version { get; private set; }

    private int VocabularySize => _softmax.Layout.VocabularySize;

    /// <summary>Whether a token may be chosen.</summary>
    /// <param name="token">A token id.</param>
    /// <exception cref="ArgumentException">The id is not in the vocabulary.</exception>
    public bool IsAllowed(int token)
    {
        var slot = _softmax.SlotOf(token);
        if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} is not in the vocabulary of {VocabularySize} tokens."), nameof(token));
        return Allows(slot);
    }

    /// <summary>Sets the mask from bits by token id, as grammar engines give them. It allocates nothing after the first time.</summary>
    /// <param name="allowed">Bit i % 64 of word i / 64 says whether token id i is allowed. It must reach the vocabulary's largest id; bits of ids that are not in the vocabulary, such as padding, are passed over.</param>
    /// <exception cref="ArgumentException">There are too few bits; the mask stays as it was.</exception>
    public void SetTokens(ReadOnlySpan<ulong> allowed)
    {
        var ids = _softmax.TokenIds;
        var words = WordCount((long)ids.Largest + 1);
        if (allowed.Length < words)
            throw new ArgumentException(FormattableString.Invariant($"There are {allowed.Length} words of bits; the largest token id is {ids.Largest}, so give at least {words}."), nameof(allowed));
        allowed = allowed[..words];
        if (ids.AreSlots)
        {
            SetSlots(allowed);
            return;
        }

        // Whichever bits are fewer go one by one.
        var set = 0L;
        foreach (var word in allowed) set += BitOperations.PopCount(word);
        var areSet = set <= VocabularySize / 2;
        if (areSet) _allowed.AsSpan().Clear();
        else AllowAll();
        for (var i = 0; i < allowed.Length; i++)
        {
            for (var word = areSet ? allowed[i] : ~allowed[i]; word != 0; word &= word - 1)
            {
                var slot = ids.FindSlot((i * (long)WordBits) + BitOperations.TrailingZeroCount(word));
                if (slot >= 0) Set(slot, areSet);
            }
        }

        Count();
    }

    /// <summary>Sets the mask from bits by token id.</summary>
    /// <param name="allowed">Bit i % 8 of byte i / 8 says whether token id i is allowed; otherwise as for words.</param>
    /// <exception cref="ArgumentException">There are too few bits; the mask stays as it was.</exception>
    public void SetTokens(ReadOnlySpan<byte> allowed)
    {
        var largest = _softmax.TokenIds.Largest;
        if (allowed.Length <= largest / 8)
            throw new ArgumentException(FormattableString.Invariant($"There are {allowed.Length} bytes of bits; the largest token id is {largest}, so give at least {(largest / 8) + 1}."), nameof(allowed));
        _words ??= new ulong[WordCount((long)largest + 1)];
        _words[^1] = 0;
        var bytes = MemoryMarshal.AsBytes(_words.AsSpan());
        allowed[..Math.Min(allowed.Length, bytes.Length)].CopyTo(bytes);
        SetTokens(_words);
    }

    /// <summary>Sets the mask from bits by slot, a token's rank by count: a copy, and the quickest way. It allocates nothing.</summary>
    /// <param name="allowed">Bit i % 64 of word i / 64 says whether the token of slot i is allowed, [vocabulary / 64, rounded up].</param>
    /// <exception cref="ArgumentException">The number of words is another; the mask stays as it was.</exception>
    public void SetSlots(ReadOnlySpan<ulong> allowed)
    {
        if (allowed.Length != _allowed.Length - 1)
            throw new ArgumentException(FormattableString.Invariant($"There are {allowed.Length} words of bits; {VocabularySize} slots take {_allowed.Length - 1}."), nameof(allowed));
        allowed.CopyTo(_allowed);
        ClearPadding();
        Count();
    }

    /// <summary>Whether the token of a slot may be chosen.</summary>
    internal bool Allows(int slot) => (_allowed[slot / WordBits] >> (slot % WordBits) & 1) != 0;

    /// <summary>The allowed tokens of a cluster: cluster 0 is the head, cluster i + 1 is tail i.</summary>
    internal int Count(int cluster) => _counts[cluster];

    internal bool IsPartial(int cluster) => _counts[cluster] < _starts[cluster + 1] - _starts[cluster];

    /// <summary>Sets the scores of a cluster's forbidden tokens to −∞.</summary>
    internal unsafe void Apply(int cluster, float* scores)
    {
        if (!IsPartial(cluster)) return;
        int start = _starts[cluster], count = _starts[cluster + 1] - start, i = 0;
        var lanes = Vector256.Create(1u, 2, 4, 8, 16, 32, 64, 128);
        var never = Vector256.Create(float.NegativeInfinity);
        for (; i + WordBits <= count; i += WordBits)
        {
            var bits = BitsFrom(start + i);
            for (var k = 0; k < WordBits && bits != ulong.MaxValue; k += Vector256<float>.Count)
            {
                var isAllowed = Vector256.Equals(Vector256.Create((uint)(bits >> k)) & lanes, lanes).AsSingle();
                Vector256.ConditionalSelect(isAllowed, Vector256.Load(scores + i + k), never).Store(scores + i + k);
            }
        }

        for (var bits = BitsFrom(start + i); i < count; i++, bits >>= 1)
        {
            if ((bits & 1) == 0) scores[i] = float.NegativeInfinity;
        }
    }

    private static int WordCount(long bits) => (int)((bits + WordBits - 1) / WordBits);

    private void Set(int slot, bool isAllowed)
    {
        var bit = 1ul << (slot % WordBits);
        if (isAllowed) _allowed[slot / WordBits] |= bit;
        else _allowed[slot / WordBits] &= ~bit;
    }

    private void AllowAll()
    {
        _allowed.AsSpan().Fill(ulong.MaxValue);
        ClearPadding();
    }

    private void ClearPadding()
    {
        _allowed[^1] = 0;
        if (VocabularySize % WordBits != 0) _allowed[^2] &= (1ul << (VocabularySize % WordBits)) - 1;
    }

    // The bits of 64 slots; past the last slot they are 0.
    private ulong BitsFrom(int slot)
    {
        var (word, shift) = (slot / WordBits, slot % WordBits);
        return shift == 0 ? _allowed[word] : (_allowed[word] >> shift) | (_allowed[word + 1] << (WordBits - shift));
    }

    private void Count()
    {
        for (var cluster = 0; cluster < _counts.Length; cluster++) _counts[cluster] = CountUpTo(_starts[cluster + 1]) - CountUpTo(_starts[cluster]);
        AllowedCount = CountUpTo(VocabularySize);
        Version++;
    }

    private int CountUpTo(int slot)
    {
        var count = 0;
        foreach (var word in _allowed.AsSpan(0, slot / WordBits)) count += BitOperations.PopCount(word);
        return count + BitOperations.PopCount(_allowed[slot / WordBits] & ((1ul << (slot % WordBits)) - 1));
    }
}
