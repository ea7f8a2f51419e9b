using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// A bounded cache of decoded tokens for contexts that come again and again, such as the first tokens behind a common
/// prompt. Safe from several threads at once; all its memory is taken when it is made, and no call allocates.
/// </summary>
/// <remarks>
/// <para>
/// The key is the caller's promise: two contexts with the same key get the same tokens. A hash of 128 good bits keeps
/// that promise for any number of contexts that a machine can see; one of 64 bits meets an accidental pair after some
/// billions. What else decides on the result goes into <c>variant</c>: the weights (<see cref="SoftmaxDecoder.WeightsVersion"/>), biases, masks. A session's
/// calls do so by themselves.
/// </para>
/// <para>
/// Entries hold the most probable tokens in order, so that one of k answers every question for k or fewer. Whoever was
/// looked up since the clock's hand last came by is spared once; of the others the first one makes room.
/// </para>
/// </remarks>
// Caches from packages (Microsoft.Extensions.Caching.Memory, BitFaster.Caching) make objects for every entry, and a
// decode step that misses must not allocate.
public sealed class DecodeCache
{
    // Several times the threads that decode at once; each shard has a lock.
    private const int MaximumShards = 64;
    private const int FewestEntriesOfAShard = 64;

    private readonly DecodeCacheShard[] _shards;
    private readonly KeyValuePair<string, object?>[] _hitTags;
    private readonly KeyValuePair<string, object?>[] _missTags;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="capacity">The number of entries, which is never exceeded; at least 1.</param>
    /// <param name="tokensPerEntry">The tokens of an entry: 1 for greedy decoding, the largest k for top-k.</param>
    /// <param name="name">What metrics call the cache.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1, or the entries are too many for arrays.</exception>
    public DecodeCache(int capacity, int tokensPerEntry = 1, string name = "decode")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokensPerEntry, 1);
        ArgumentNullException.ThrowIfNull(name);
        var shards = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(capacity / FewestEntriesOfAShard, 1, MaximumShards));
        if (capacity / shards * (long)tokensPerEntry > Array.MaxLength / 2)
            throw new ArgumentOutOfRangeException(nameof(capacity), capacity, FormattableString.Invariant($"{capacity} entries of {tokensPerEntry} tokens are too many; keep their product below {Array.MaxLength / 2L * shards}."));
        (Capacity, TokensPerEntry, Name) = (capacity, tokensPerEntry, name);
        _shards = new DecodeCacheShard[shards];
        for (var i = 0; i < shards; i++) _shards[i] = new DecodeCacheShard((capacity / shards) + (i < capacity % shards ? 1 : 0), tokensPerEntry);
        _hitTags = [new("cache", name), new("result", "hit")];
        _missTags = [new("cache", name), new("result", "miss")];
    }

    /// <summary>The number of entries that the cache holds at most.</summary>
    public int Capacity { get; }

    /// <summary>The number of tokens that an entry holds at most.</summary>
    public int TokensPerEntry { get; }

    /// <summary>What metrics call the cache.</summary>
    public string Name { get; }

    /// <summary>The number of entries.</summary>
    public int Count => _shards.Sum(shard => shard.Count);

    /// <summary>The look-ups that found what they asked for.</summary>
    public long Hits => _shards.Sum(shard => shard.Hits);

    /// <summary>The look-ups that did not.</summary>
    public long Misses => _shards.Sum(shard => shard.Misses);

    /// <summary>Hits over look-ups; 0 before the first one.</summary>
    public double HitRate
    {
        get
        {
            var (hits, misses) = (Hits, Misses);
            return hits == 0 ? 0 : (double)hits / (hits + misses);
        }
    }

    /// <summary>The bytes that the cache takes, full or empty, to within a tenth.</summary>
    public long Bytes => _shards.Sum(shard => shard.Bytes);

    /// <summary>Looks up the most probable tokens of a context.</summary>
    /// <param name="key">The caller's key of the context.</param>
    /// <param name="tokens">Receives token ids, the most probable first, as many as it has room for; untouched by a miss.</param>
    /// <param name="logProbs">Receives their log-probs; as long as <paramref name="tokens"/>, or empty where they do not matter.</param>
    /// <param name="variant">What else decides on the result.</param>
    /// <returns>Whether there is an entry that holds as many tokens as were asked for.</returns>
    /// <exception cref="ArgumentException">The spans' lengths differ, or no token is asked for.</exception>
    public bool TryGet(UInt128 key, Span<int> tokens, Span<float> logProbs, ulong variant = 0)
    {
        CheckLengths(tokens.Length, logProbs.Length, mayOmitLogProbs: true);
        var entry = new DecodeCacheKey(key, variant);
        var isHit = ShardOf(entry).TryGet(entry, tokens, logProbs);
        DecodeMetrics.RecordCacheLookup(isHit ? _hitTags : _missTags);
        return isHit;
    }

    /// <summary>Keeps the most probable tokens of a context, in place of what was kept for it before.</summary>
    /// <param name="key">The caller's key of the context.</param>
    /// <param name="tokens">Token ids, the most probable first; at most <see cref="TokensPerEntry"/>.</param>
    /// <param name="logProbs">Their log-probs.</param>
    /// <param name="variant">What else decides on the result.</param>
    /// <exception cref="ArgumentException">The spans' lengths differ, or there is no token, or more than an entry holds.</exception>
    public void Set(UInt128 key, ReadOnlySpan<int> tokens, ReadOnlySpan<float> logProbs, ulong variant = 0)
    {
        CheckLengths(tokens.Length, logProbs.Length, mayOmitLogProbs: false);
        if (tokens.Length > TokensPerEntry)
            throw new ArgumentException(FormattableString.Invariant($"There are {tokens.Length} tokens for an entry that holds {TokensPerEntry}; make the cache with tokensPerEntry: {tokens.Length}, or keep fewer."), nameof(tokens));
        var entry = new DecodeCacheKey(key, variant);
        ShardOf(entry).Set(entry, tokens, logProbs);
    }

    /// <summary>Forgets all entries. Counts of hits and misses stay.</summary>
    public void Clear()
    {
        foreach (var shard in _shards) shard.Clear();
    }

    private DecodeCacheShard ShardOf(DecodeCacheKey key) => _shards[(int)(key.Mix() >> 32) & (_shards.Length - 1)];

    private static void CheckLengths(int tokens, int logProbs, bool mayOmitLogProbs)
    {
        if (tokens == 0)
            throw new ArgumentException("There is no room for a token; give at least one place.", nameof(tokens));
        if (logProbs != tokens && !(mayOmitLogProbs && logProbs == 0))
            throw new ArgumentException(FormattableString.Invariant($"There are {tokens} places for tokens and {logProbs} for log-probs; give as many of both."), nameof(logProbs));
    }
}

/// <summary>A context, and what else decides on the result.</summary>
internal readonly record struct DecodeCacheKey(ulong High, ulong Low, ulong Variant)
{
    public DecodeCacheKey(UInt128 context, ulong variant)
        : this((ulong)(context >> 64), (ulong)context, variant)
    {
    }

    /// <summary>A hash that is good in all bits also for keys that count up: the finaliser of SplitMix64 over each word.</summary>
    public ulong Mix() => Mix(Mix(Mix(Low) ^ High) ^ Variant);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)Mix();

    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
