using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Builds a minimal perfect hash from the keys' 64-bit hashes. Buckets are placed largest first; a bucket that fits
/// nowhere takes the positions that cost least, and the buckets it drives out are placed again. Nothing depends on
/// the platform, time or memory addresses, so the same hashes always give the same table.
/// </summary>
internal sealed class PerfectHashBuilder
{
    private const int Free = -1;

    /// <summary>A larger bucket than this comes only from a hash that fails to spread the keys; another seed is better.</summary>
    private const int LargestBucket = 64;

    private readonly int _keyCount;
    private readonly int _bucketCount;
    private readonly int _positionCount;
    private readonly ulong[] _hashes;
    private readonly int[] _keys;
    private readonly int[] _starts;
    private readonly int[] _owners;
    private readonly byte[] _pilots;

    /// <summary>
    /// What driving a bucket out costs: the square of its size, and one for each time it was driven out before, so
    /// that two buckets do not drive each other out for ever.
    /// </summary>
    private readonly int[] _costs;

    private readonly CancellationToken _cancellation;
    private uint _random = 0x2545F491;

    private PerfectHashBuilder(ulong[] hashes, CancellationToken cancellation)
    {
        _cancellation = cancellation;
        _keyCount = hashes.Length;
        _bucketCount = PerfectHash.BucketCountFor(_keyCount);
        _positionCount = PerfectHash.PositionCountFor(_keyCount);
        _hashes = new ulong[_keyCount];
        _keys = new int[_keyCount];
        _starts = new int[_bucketCount + 1];
        _owners = new int[_positionCount];
        _pilots = new byte[_bucketCount];
        _costs = new int[_bucketCount];
        for (var i = 0; i < _owners.Length; i++) _owners[i] = Free;
        GroupByBucket(hashes);
    }

    /// <summary>Builds the table, or returns null where this seed's hashes do not allow one.</summary>
    /// <param name="hashes">The hash of each key; at least one.</param>
    /// <param name="seed">The seed that the hashes were made with.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="equal">Two keys of equal hash, where that is the reason for failing.</param>
    internal static PerfectHashTable? TryBuild(ulong[] hashes, ulong seed, CancellationToken cancellation, out (int First, int Second)? equal)
    {
        var builder = new PerfectHashBuilder(hashes, cancellation);
        equal = builder.FindEqualHashes();
        if (equal is not null || !builder.PlaceAll()) return null;
        return builder.Finish(seed);
    }

    private void GroupByBucket(ulong[] hashes)
    {
        foreach (var hash in hashes) _starts[PerfectHash.Bucket(hash, _bucketCount) + 1]++;
        for (var b = 0; b < _bucketCount; b++) _starts[b + 1] += _starts[b];
        var next = new int[_bucketCount];
        Array.Copy(_starts, next, _bucketCount);
        for (var key = 0; key < _keyCount; key++)
        {
            var at = next[PerfectHash.Bucket(hashes[key], _bucketCount)]++;
            _hashes[at] = hashes[key];
            _keys[at] = key;
        }

        for (var b = 0; b < _bucketCount; b++)
        {
            var size = _starts[b + 1] - _starts[b];
            _costs[b] = size * size;
        }
    }

    private (int First, int Second)? FindEqualHashes()
    {
        for (var b = 0; b < _bucketCount; b++)
        {
            int start = _starts[b], size = _starts[b + 1] - start;
            if (size < 2) continue;
            // Equal hashes share a bucket. Sorting with the keys as ties keeps the order independent of the sort's inner workings.
            SortBucket(start, size);
            for (var i = start + 1; i < start + size; i++)
            {
                if (_hashes[i] == _hashes[i - 1]) return (Math.Min(_keys[i - 1], _keys[i]), Math.Max(_keys[i - 1], _keys[i]));
            }
        }

        return null;
    }

    private void SortBucket(int start, int size)
    {
        if (size > LargestBucket)
        {
            Array.Sort(_hashes, _keys, start, size);
            return;
        }

        for (var i = start + 1; i < start + size; i++)
        {
            var (hash, key) = (_hashes[i], _keys[i]);
            var j = i;
            for (; j > start && _hashes[j - 1] > hash; j--) (_hashes[j], _keys[j]) = (_hashes[j - 1], _keys[j - 1]);
            (_hashes[j], _keys[j]) = (hash, key);
        }
    }

    private bool PlaceAll()
    {
        var pending = new Stack<int>();
        var movesLeft = (8L * _keyCount) + 1024;
        Span<int> positions = stackalloc int[LargestBucket];
        foreach (var first in BucketsBySize())
        {
            if (_starts[first + 1] - _starts[first] > LargestBucket) return false;
            pending.Push(first);
            while (pending.Count > 0)
            {
                var bucket = pending.Pop();
                if (--movesLeft < 0 || !TryPlace(bucket, positions, pending)) return false;
                if ((movesLeft & 0xFFF) == 0) _cancellation.ThrowIfCancellationRequested();
            }
        }

        return true;
    }

    /// <summary>The buckets that hold keys, largest first, ties by index.</summary>
    private int[] BucketsBySize()
    {
        var largest = 0;
        for (var b = 0; b < _bucketCount; b++) largest = Math.Max(largest, _starts[b + 1] - _starts[b]);
        var next = new int[largest + 2];
        for (var b = 0; b < _bucketCount; b++) next[largest - (_starts[b + 1] - _starts[b]) + 1]++;
        for (var i = 0; i <= largest; i++) next[i + 1] += next[i];
        var order = new int[next[largest]];
        for (var b = 0; b < _bucketCount; b++)
        {
            var size = _starts[b + 1] - _starts[b];
            if (size > 0) order[next[largest - size]++] = b;
        }

        return order;
    }

    private bool TryPlace(int bucket, Span<int> positions, Stack<int> pending)
    {
        int start = _starts[bucket], size = _starts[bucket + 1] - start;
        int best = -1, bestCost = int.MaxValue;
        var firstPilot = NextRandom();
        for (var i = 0; i < 256 && bestCost > 0; i++)
        {
            var pilot = (byte)(firstPilot + (uint)i);
            var cost = CostOf(pilot, start, size, positions, bestCost);
            if (cost < bestCost) (best, bestCost) = (pilot, cost);
        }

        if (best < 0) return false;
        _pilots[bucket] = (byte)best;
        for (var i = start; i < start + size; i++)
        {
            var position = PerfectHash.Position(_hashes[i], (byte)best, _positionCount);
            var owner = _owners[position];
            if (owner != Free)
            {
                Release(owner);
                _costs[owner]++;
                pending.Push(owner);
            }

            _owners[position] = bucket;
        }

        return true;
    }

    /// <summary>The sum of the costs of what placing a bucket would drive out; the limit where it is reached or two keys meet.</summary>
    private int CostOf(byte pilot, int start, int size, Span<int> positions, int limit)
    {
        var cost = 0;
        for (var i = 0; i < size; i++)
        {
            var position = PerfectHash.Position(_hashes[start + i], pilot, _positionCount);
            for (var j = 0; j < i; j++)
            {
                if (positions[j] == position) return limit;
            }

            positions[i] = position;
            var owner = _owners[position];
            if (owner == Free) continue;
            cost += _costs[owner];
            if (cost >= limit) return limit;
        }

        return cost;
    }

    private void Release(int bucket)
    {
        for (var i = _starts[bucket]; i < _starts[bucket + 1]; i++)
            _owners[PerfectHash.Position(_hashes[i], _pilots[bucket], _positionCount)] = Free;
    }

    private PerfectHashTable Finish(ulong seed)
    {
        var stands = new int[_positionCount - _keyCount];
        var free = 0;
        for (var i = 0; i < stands.Length; i++)
        {
            if (_owners[_keyCount + i] == Free) continue;
            while (_owners[free] != Free) free++;
            stands[i] = free++;
        }

        var positions = new int[_keyCount];
        for (var bucket = 0; bucket < _bucketCount; bucket++)
        {
            for (var i = _starts[bucket]; i < _starts[bucket + 1]; i++)
            {
                var position = PerfectHash.Position(_hashes[i], _pilots[bucket], _positionCount);
                positions[_keys[i]] = position < _keyCount ? position : stands[position - _keyCount];
            }
        }

        var remap = PackedIntegers.Pack(stands, PackedIntegers.WidthFor(_keyCount - 1));
        return new PerfectHashTable(seed, _bucketCount, _positionCount, _pilots, remap, positions);
    }

    /// <summary>A different first pilot each time, so that pilots of equal cost are chosen evenly.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint NextRandom()
    {
        _random ^= _random << 13;
        _random ^= _random >> 17;
        _random ^= _random << 5;
        return _random;
    }
}
