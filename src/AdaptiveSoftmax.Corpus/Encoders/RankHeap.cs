namespace AdaptiveSoftmax.Corpus;

/// <summary>Numbers of which the lowest comes out first; a heap whose nodes have four children.</summary>
internal sealed class RankHeap
{
    private const int Children = 4;

    private ulong[] _items = new ulong[256];

    /// <summary>The number of items.</summary>
    public int Count { get; private set; }

    public void Clear() => Count = 0;

    public void Add(ulong item)
    {
        if (Count == _items.Length) Array.Resize(ref _items, 2 * Count);
        var items = _items;
        var place = Count++;
        while (place > 0)
        {
            var parent = (place - 1) / Children;
            if (items[parent] <= item) break;
            items[place] = items[parent];
            place = parent;
        }

        items[place] = item;
    }

    /// <summary>Takes the lowest.</summary>
    public bool TryTake(out ulong lowest)
    {
        lowest = _items[0];
        if (Count == 0) return false;
        var items = _items.AsSpan(0, --Count);
        if (Count == 0) return true;
        var item = _items[Count];
        var place = 0;
        for (var first = 1; first < items.Length; first = (place * Children) + 1)
        {
            var least = first;
            for (var child = first + 1; child < Math.Min(first + Children, items.Length); child++)
            {
                if (items[child] < items[least]) least = child;
            }

            if (item <= items[least]) break;
            items[place] = items[least];
            place = least;
        }

        items[place] = item;
        return true;
    }
}
