using static System.FormattableString;

namespace AdaptiveSoftmax;

/// <summary>
/// The tokens that a draft proposes to follow a sequence, each with the distribution that it was drawn from. Every token is
/// drawn as if those before it were accepted.
/// </summary>
/// <remarks>After warm-up it allocates nothing.</remarks>
public sealed class SpeculativeDraft
{
    private readonly SoftmaxDecoder _target;
    private readonly List<DraftDistribution> _distributions = [];
    private readonly List<int> _tokens = [];

    // The numbers that the draft knows tokens by, in the order of the target's slots; and these slots.
    private readonly int[] _numbers;
    private readonly int[] _slots;
    private readonly int _needed;
    private readonly bool _hasOwnNumbers;

    /// <summary>Makes an empty draft.</summary>
    /// <param name="target">The softmax whose tokens are drafted.</param>
    /// <param name="draftTokens">
    /// The token id of each token of a draft vocabulary, by its number there, such as those of a draft vocabulary; empty for a
    /// draft that numbers tokens by their ids.
    /// </param>
    /// <exception cref="ArgumentException">A token is not in the target's vocabulary, or stands twice in the draft's.</exception>
    public SpeculativeDraft(SoftmaxDecoder target, ReadOnlySpan<int> draftTokens = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        target.ThrowIfDisposed();
        _target = target;
        _hasOwnNumbers = !draftTokens.IsEmpty;
        var count = _hasOwnNumbers ? draftTokens.Length : target.Layout.VocabularySize;
        (_numbers, _slots) = (new int[count], new int[count]);
        for (var i = 0; i < count; i++)
        {
            (_numbers[i], _slots[i]) = _hasOwnNumbers ? (i, CheckedSlot(draftTokens[i], nameof(draftTokens))) : (target.TokenOf(i), i);
            _needed = Math.Max(_needed, _numbers[i] + 1);
        }

        Array.Sort(_slots, _numbers);
        for (var i = 1; i < count; i++)
        {
            if (_slots[i] == _slots[i - 1])
                throw new ArgumentException(Invariant($"Token {target.TokenOf(_slots[i])} stands twice in the draft's vocabulary, as {_numbers[i - 1]} and {_numbers[i]}; give each once."), nameof(draftTokens));
        }
    }

    /// <summary>The number of drafted tokens.</summary>
    public int Count => _tokens.Count;

    /// <summary>A drafted token's id.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> − 1.</param>
    public int this[int index] => _tokens[index];

    internal SoftmaxDecoder Target => _target;

    /// <summary>Forgets all drafted tokens.</summary>
    public void Clear() => _tokens.Clear();

    /// <summary>
    /// Adds a token that was chosen without chance: the best one of a draft model, or what followed the last time, as n-grams and look-ups
    /// in a prompt find it.
    /// </summary>
    /// <param name="token">The token's id.</param>
    /// <exception cref="ArgumentException">The id is not in the target's vocabulary.</exception>
    public void Add(int token)
    {
        var slot = CheckedSlot(token, nameof(token));
        var distribution = Next(1);
        distribution.Add(slot, 1);
        distribution.End(slot, isSorted: true);
        _tokens.Add(token);
    }

    /// <summary>Adds a token that was drawn from all tokens that the draft knows.</summary>
    /// <param name="token">The token's id, also where the draft has numbers of its own.</param>
    /// <param name="probabilities">
    /// The probability of each token by the draft's number for it; they need not sum to 1. A draft that numbers tokens by their ids
    /// may have more rows, such as padding, which are passed over.
    /// </param>
    /// <exception cref="ArgumentException">The size does not fit, a probability is negative or not finite, or the token could not have been drawn.</exception>
    public void Add(int token, ReadOnlySpan<float> probabilities)
    {
        CheckLength(probabilities.Length, "probabilities", nameof(probabilities));
        var slot = CheckedSlot(token, nameof(token));
        var distribution = Next(_slots.Length);
        for (var i = 0; i < _slots.Length; i++)
        {
            var probability = probabilities[_numbers[i]];
            CheckProbability(probability, _numbers[i], nameof(probabilities));
            if (probability > 0) distribution.Add(_slots[i], probability);
        }

        End(distribution, token, slot, isSorted: true, nameof(probabilities));
    }

    /// <summary>Adds a token that was drawn from a few.</summary>
    /// <param name="token">The token's id.</param>
    /// <param name="tokens">The ids of the tokens that could have been drawn.</param>
    /// <param name="probabilities">Their probabilities, which need not sum to 1.</param>
    /// <exception cref="ArgumentException">The sizes differ, an id is not in the target's vocabulary, a probability is negative or not finite, or the token could not have been drawn.</exception>
    public void Add(int token, ReadOnlySpan<int> tokens, ReadOnlySpan<float> probabilities)
    {
        if (tokens.Length != probabilities.Length)
            throw new ArgumentException(Invariant($"There are {tokens.Length} tokens and {probabilities.Length} probabilities; give one each."), nameof(probabilities));
        var slot = CheckedSlot(token, nameof(token));
        var distribution = Next(tokens.Length);
        for (var i = 0; i < tokens.Length; i++)
        {
            CheckProbability(probabilities[i], i, nameof(probabilities));
            var known = CheckedSlot(tokens[i], nameof(tokens));
            if (probabilities[i] > 0) distribution.Add(known, probabilities[i]);
        }

        End(distribution, token, slot, isSorted: false, nameof(probabilities));
    }

    /// <summary>
    /// Draws the next token from a draft model's logits and adds it: at the sequence's temperature, with the random numbers of the
    /// position that the token would stand at, so that the same seed gives the same drafts. Gumbel draws take the noise that the target
    /// will take, so that a good draft draws what the target draws.
    /// </summary>
    /// <param name="logits">The logit of each token by the draft's number for it; −∞ for one that is not to be drawn.</param>
    /// <param name="sequence">The sequence that is drafted for, which stays as it is.</param>
    /// <returns>The token's id.</returns>
    /// <exception cref="ArgumentException">The size does not fit, the sequence is of another vocabulary, or no logit is finite.</exception>
    public int Draw(ReadOnlySpan<float> logits, DecodeSequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        CheckLength(logits.Length, "logits", nameof(logits));
        if (!sequence.History.Identity.Equals(_target.Identity)) throw new ArgumentException("The sequence belongs to another vocabulary than the draft.", nameof(sequence));
        var random = sequence.Random.At(sequence.Random.Position + Count);
        var (options, best) = (sequence.Options, -1);
        var noise = random.Noise;
        var isNoisy = options.Sampler == SamplerKind.Gumbel && options.Temperature > 0;
        var largest = double.NegativeInfinity;
        for (var i = 0; i < _slots.Length; i++)
        {
            var logit = logits[_numbers[i]];
            if (!float.IsFinite(logit) && !float.IsNegativeInfinity(logit)) throw new ArgumentException(Invariant($"Logit {_numbers[i]} is {logit}; only −∞ and finite ones can be drawn from."), nameof(logits));
            var value = isNoisy ? logit + (options.Temperature * noise.Of(_slots[i])) : logit;
            if (value > largest) (largest, best) = (value, i);
        }

        if (best < 0) throw new ArgumentException("Every logit is −∞, so there is no token to draw.", nameof(logits));
        if (isNoisy || options.Temperature == 0)
        {
            Add(_target.TokenOf(_slots[best]));
            return _tokens[^1];
        }

        var distribution = Next(_slots.Length);
        var sum = 0.0;
        for (var i = 0; i < _slots.Length; i++)
        {
            var weight = Math.Exp((logits[_numbers[i]] - largest) / options.Temperature);
            if (weight == 0) continue;
            distribution.Add(_slots[i], weight);
            sum += weight;
        }

        var (target, place) = (random.For(DrawPurpose.Draft, 0) * sum, 0);
        for (; place < distribution.Slots.Length - 1 && target >= distribution.Probabilities[place]; place++) target -= distribution.Probabilities[place];
        var drawn = distribution.Slots[place];
        distribution.End(drawn, isSorted: true);
        _tokens.Add(_target.TokenOf(drawn));
        return _tokens[^1];
    }

    /// <summary>What a token was drawn from.</summary>
    internal DraftDistribution Distribution(int index) => _distributions[index];

    private DraftDistribution Next(int capacity)
    {
        if (_distributions.Count == Count) _distributions.Add(new DraftDistribution());
        var distribution = _distributions[Count];
        distribution.Begin(capacity);
        return distribution;
    }

    private void End(DraftDistribution distribution, int token, int slot, bool isSorted, string name)
    {
        if (!distribution.End(slot, isSorted))
            throw new ArgumentException(Invariant($"Token {token} has a probability of 0, so it cannot have been drawn from these; give the distribution that it was drawn from."), name);
        _tokens.Add(token);
    }

    private int CheckedSlot(int token, string name)
    {
        var slot = _target.SlotOf(token);
        return slot >= 0 ? slot : throw new ArgumentException(Invariant($"Token {token} is not in the target's vocabulary of {_target.Layout.VocabularySize} tokens; a draft must know tokens by the target's ids."), name);
    }

    private void CheckLength(int length, string what, string name)
    {
        if (_hasOwnNumbers ? length != _needed : length < _needed)
            throw new ArgumentException(Invariant($"There are {length} {what}, and {(_hasOwnNumbers ? "the draft's vocabulary has" : "the target's token ids reach to")} {(_hasOwnNumbers ? _needed : _needed - 1)}; give one each."), name);
    }

    private static void CheckProbability(float probability, int index, string name)
    {
        if (!(probability >= 0) || float.IsInfinity(probability)) throw new ArgumentException(Invariant($"Probability {index} is {probability}; it must be 0 or more, and finite."), name);
    }
}
