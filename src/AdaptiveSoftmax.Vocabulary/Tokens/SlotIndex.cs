namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Token ids to slots, for tables that are known only at run time.</summary>
internal sealed class SlotIndex
{
    private readonly int[] _slotById = [];
    private readonly int[] _sortedIds = [];
    private readonly int[] _slotOfSortedId = [];

    public SlotIndex(TokenTable table)
    {
        var largestId = 0;
        foreach (var id in table.Ids) largestId = Math.Max(largestId, id);
        // Ids of a tokenizer leave few gaps; others are searched for.
        if (largestId < 4L * table.Count)
        {
            _slotById = new int[largestId + 1];
            _slotById.AsSpan().Fill(-1);
            for (var slot = 0; slot < table.Count; slot++) _slotById[table.GetId(slot)] = slot;
        }
        else
        {
            (_sortedIds, _slotOfSortedId) = (table.Ids.ToArray(), [.. Enumerable.Range(0, table.Count)]);
            Array.Sort(_sortedIds, _slotOfSortedId);
        }
    }

    /// <summary>The bytes that it holds.</summary>
    public long Bytes => sizeof(int) * (_slotById.LongLength + _sortedIds.LongLength + _slotOfSortedId.LongLength);

    /// <summary>The slot of an id, or −1.</summary>
    public int SlotOf(int id)
    {
        if (_slotById.Length > 0) return (uint)id < (uint)_slotById.Length ? _slotById[id] : -1;
        var position = Array.BinarySearch(_sortedIds, id);
        return position < 0 ? -1 : _slotOfSortedId[position];
    }
}
