namespace AdaptiveSoftmax;

/// <summary>One drafted token, and the distribution q that it was drawn from, by the target's slots.</summary>
internal sealed class DraftDistribution
{
    private int[] _slots = [];
    private double[] _probabilities = [];

    /// <summary>The slot of the drafted token.</summary>
    public int Slot { get; private set; }

    /// <summary>q of the drafted token, above 0.</summary>
    public double Probability { get; private set; }

    /// <summary>The slots that could have been drawn, ascending.</summary>
    public ReadOnlySpan<int> Slots => _slots.AsSpan(0, Count);

    /// <summary>q of each of <see cref="Slots"/>; they sum to 1.</summary>
    public ReadOnlySpan<double> Probabilities => _probabilities.AsSpan(0, Count);

    private int Count { get; set; }

    /// <summary>Begins anew.</summary>
    /// <param name="capacity">The most tokens that will be added.</param>
    public void Begin(int capacity)
    {
        Count = 0;
        if (_slots.Length >= capacity) return;
        var length = Math.Max(capacity, 2 * _slots.Length);
        (_slots, _probabilities) = (new int[length], new double[length]);
    }

    /// <summary>Adds a token behind those added before.</summary>
    /// <param name="slot">Its slot.</param>
    /// <param name="weight">Its weight, above 0.</param>
    public void Add(int slot, double weight)
    {
        (_slots[Count], _probabilities[Count]) = (slot, weight);
        Count++;
    }

    /// <summary>Makes weights probabilities.</summary>
    /// <param name="slot">The drafted token.</param>
    /// <param name="isSorted">Whether the slots ascend and each came once; else they are sorted, and what came twice is summed.</param>
    /// <returns>Whether the drafted token is among them.</returns>
    public bool End(int slot, bool isSorted)
    {
        if (!isSorted) Sort();
        var sum = 0.0;
        foreach (var weight in Probabilities) sum += weight;
        foreach (ref var weight in _probabilities.AsSpan(0, Count)) weight /= sum;
        (Slot, Probability) = (slot, Of(slot));
        return Probability > 0;
    }

    /// <summary>q of a slot.</summary>
    public double Of(int slot) => Slots.BinarySearch(slot) is >= 0 and var at ? _probabilities[at] : 0;

    /// <summary>The tokens from one slot to before another: the first one's place among <see cref="Slots"/>, and the place after the last.</summary>
    public (int First, int End) Within(int start, int end) => (PlaceOf(start), PlaceOf(end));

    private int PlaceOf(int slot)
    {
        var place = Slots.BinarySearch(slot);
        return place < 0 ? ~place : place;
    }

    private void Sort()
    {
        Array.Sort(_slots, _probabilities, 0, Count);
        var kept = 0;
        for (var i = 0; i < Count; i++)
        {
            if (kept > 0 && _slots[kept - 1] == _slots[i]) _probabilities[kept - 1] += _probabilities[i];
            else (_slots[kept], _probabilities[kept++]) = (_slots[i], _probabilities[i]);
        }

        Count = kept;
    }
}
