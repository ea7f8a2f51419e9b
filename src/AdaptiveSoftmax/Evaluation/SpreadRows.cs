namespace AdaptiveSoftmax;

/// <summary>
/// Rows spread evenly over a stream of unknown length: every n-th, where n doubles whenever the room is full. Which ones they
/// are depends on the number of rows alone.
/// </summary>
/// <param name="capacity">The most rows that are kept.</param>
/// <param name="size">The values of a row.</param>
internal sealed class SpreadRows<TTag>(int capacity, int size)
{
    private readonly List<(float[] Row, TTag Tag)> _kept = [];
    private long _seen;
    private long _stride = 1;

    /// <summary>The rows kept, in their order.</summary>
    public IReadOnlyList<(float[] Row, TTag Tag)> Kept => _kept;

    /// <summary>Whether the next row will be kept.</summary>
    public bool WantsNext => capacity > 0 && _seen % _stride == 0;

    /// <summary>Takes the next row.</summary>
    /// <param name="row">Its values.</param>
    /// <param name="tag">What is to be known of it.</param>
    public void Add(ReadOnlySpan<float> row, TTag tag)
    {
        if (WantsNext)
        {
            if (_kept.Count == capacity) Thin();
            if (_seen % _stride == 0) _kept.Add((row[..size].ToArray(), tag));
        }

        _seen++;
    }

    private void Thin()
    {
        for (var i = 0; 2 * i < _kept.Count; i++) _kept[i] = _kept[2 * i];
        _kept.RemoveRange((_kept.Count + 1) / 2, _kept.Count / 2);
        _stride *= 2;
    }
}
