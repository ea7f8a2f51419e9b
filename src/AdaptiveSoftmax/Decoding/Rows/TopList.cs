using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>The best tokens seen so far, at most so many: a heap whose root is the worst of them.</summary>
internal sealed class TopList
{
    private ulong[] _keys = [];

    public int Capacity { get; private set; }

    public int Count { get; private set; }

    /// <summary>A token with a larger key than this is not among the best; every token is while there is room.</summary>
    public ulong Limit => Capacity == 0 ? 0 : Count < Capacity ? ulong.MaxValue : _keys[0];

    /// <summary>The keys; best first once <see cref="Sort"/> was called.</summary>
    public ReadOnlySpan<ulong> Keys => _keys.AsSpan(0, Count);

    public void Reset(int capacity)
    {
        if (_keys.Length < capacity) _keys = new ulong[capacity];
        (Capacity, Count) = (capacity, 0);
    }

    public void Sort() => _keys.AsSpan(0, Count).Sort();

    /// <summary>Offers a run of tokens; those with a score of −∞ are never taken.</summary>
    public unsafe void AddRange(float* scores, int count, int firstSlot)
    {
        if (Capacity == 0) return;
        var i = 0;
        for (; i < count && Count < Capacity; i++) Add(scores[i], firstSlot + i);
        for (; i + Vector<float>.Count <= count; i += Vector<float>.Count)
        {
            // Slots ascend, but tails may come in any order: an equal score may still have the lower slot.
            if (!Vector.GreaterThanOrEqualAny(Vector.Load(scores + i), new Vector<float>(ScoreKey.Score(_keys[0])))) continue;
            for (var k = i; k < i + Vector<float>.Count; k++) Add(scores[k], firstSlot + k);
        }

        for (; i < count; i++) Add(scores[i], firstSlot + i);
    }

    private void Add(float score, int slot)
    {
        if (score == float.NegativeInfinity) return;
        var key = ScoreKey.Of(score, slot);
        if (key >= Limit) return;
        if (Count < Capacity)
        {
            SiftUp(Count++, key);
            return;
        }

        SiftDown(key);
    }

    private void SiftUp(int at, ulong key)
    {
        while (at > 0 && _keys[(at - 1) / 2] < key)
        {
            _keys[at] = _keys[(at - 1) / 2];
            at = (at - 1) / 2;
        }

        _keys[at] = key;
    }

    private void SiftDown(ulong key)
    {
        var at = 0;
        while (true)
        {
            var child = (2 * at) + 1;
            if (child >= Count) break;
            if (child + 1 < Count && _keys[child + 1] > _keys[child]) child++;
            if (_keys[child] <= key) break;
            _keys[at] = _keys[child];
            at = child;
        }

        _keys[at] = key;
    }
}
