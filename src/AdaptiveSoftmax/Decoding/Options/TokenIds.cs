namespace AdaptiveSoftmax;

/// <summary>The slots of token ids by a table, for masks, which look up many at once.</summary>
internal sealed class TokenIds
{
    // Ids much sparser than this are looked up one by one.
    private const int LargestSpread = 4;

    private readonly ISoftmaxVocabulary _softmax;
    private readonly int[]? _slots;

    public TokenIds(ISoftmaxVocabulary softmax)
    {
        _softmax = softmax;
        var size = softmax.Layout.VocabularySize;
        AreSlots = true;
        for (var slot = 0; slot < size; slot++)
        {
            var id = softmax.TokenOf(slot);
            Largest = Math.Max(Largest, id);
            AreSlots &= id == slot;
        }

        if (AreSlots || Largest / LargestSpread >= size) return;
        _slots = new int[Largest + 1];
        _slots.AsSpan().Fill(-1);
        for (var slot = 0; slot < size; slot++) _slots[softmax.TokenOf(slot)] = slot;
    }

    /// <summary>The largest id.</summary>
    public int Largest { get; }

    /// <summary>Whether every token's id is its slot.</summary>
    public bool AreSlots { get; }

    /// <summary>The slot of an id; −1 where it is not in the vocabulary.</summary>
    public int FindSlot(long id) => id > Largest ? -1 : _slots is null ? _softmax.SlotOf((int)id) : _slots[id];
}
