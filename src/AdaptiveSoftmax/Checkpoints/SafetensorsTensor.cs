namespace AdaptiveSoftmax;

/// <summary>One tensor of a safetensors file, with the place of its data.</summary>
internal sealed class SafetensorsTensor(string name, string type, long[] shape, long count, long start, long end)
    : WeightsTensor(name, type, shape, count)
{
    /// <summary>The first byte, counted from the end of the header.</summary>
    public long Start { get; } = start;

    /// <summary>The byte after the last.</summary>
    public long End { get; } = end;
}
