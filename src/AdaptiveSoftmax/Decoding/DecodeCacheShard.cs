using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>A share of a <see cref="DecodeCache"/> under a lock: flat arrays, an index into them, and a clock's hand.</summary>
internal sealed class DecodeCacheShard
{
    private readonly Lock _gate = new();
    private readonly int _tokensPerEntry;
    private readonly Dictionary<DecodeCacheKey, int> _places;
    private readonly DecodeCacheKey[] _keys;
    private readonly bool[] _used;
    private readonly int[] _lengths;
    private readonly int[] _tokens;
    private readonly float[] _logProbs;
    private int _hand;
    private long _hits;
    private long _misses;

    public DecodeCacheShard(int capacity, int tokensPerEntry)
    {
        _tokensPerEntry = tokensPerEntry;
        _places = new Dictionary<DecodeCacheKey, int>(capacity);
        (_keys, _used, _lengths) = (new DecodeCacheKey[capacity], new bool[capacity], new int[capacity]);
        (_tokens, _logProbs) = (new int[capacity * tokensPerEntry], new float[capacity * tokensPerEntry]);
    }

    public int Count
    {
        get
        {
            lock (_gate) return _places.Count;
        }
    }

    public long Hits => Volatile.Read(ref _hits);

    public long Misses => Volatile.Read(ref _misses);

    // The dictionary holds for each entry a key, a place, a hash and a link, padded, and a bucket.
    public long Bytes => ((long)_places.Capacity * (Unsafe.SizeOf<DecodeCacheKey>() + (5 * sizeof(int))))
        + ((long)_keys.Length * (Unsafe.SizeOf<DecodeCacheKey>() + sizeof(bool) + sizeof(int) + (_tokensPerEntry * (sizeof(int) + sizeof(float)))));

    public bool TryGet(DecodeCacheKey key, Span<int> tokens, Span<float> logProbs)
    {
        lock (_gate)
        {
            if (!_places.TryGetValue(key, out var place) || _lengths[place] < tokens.Length)
            {
                _misses++;
                return false;
            }

            _tokens.AsSpan(place * _tokensPerEntry, tokens.Length).CopyTo(tokens);
            _logProbs.AsSpan(place * _tokensPerEntry, logProbs.Length).CopyTo(logProbs);
            _used[place] = true;
            _hits++;
            return true;
        }
    }

    public void Set(DecodeCacheKey key, ReadOnlySpan<int> tokens, ReadOnlySpan<float> logProbs)
    {
        lock (_gate)
        {
            if (!_places.TryGetValue(key, out var place))
            {
                place = _places.Count < _keys.Length ? _places.Count : MakeRoom();
                _places.Add(key, place);
                _keys[place] = key;
                // Only a look-up shows that an entry is worth keeping: a stream of new ones does not drive out the others.
                _used[place] = false;
            }

            _lengths[place] = tokens.Length;
            tokens.CopyTo(_tokens.AsSpan(place * _tokensPerEntry));
            logProbs.CopyTo(_logProbs.AsSpan(place * _tokensPerEntry));
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _places.Clear();
            _hand = 0;
        }
    }

    private int MakeRoom()
    {
        while (_used[_hand])
        {
            _used[_hand] = false;
            _hand = Next(_hand);
        }

        var place = _hand;
        _hand = Next(_hand);
        _places.Remove(_keys[place]);
        return place;
    }

    private int Next(int place) => place + 1 == _keys.Length ? 0 : place + 1;
}
