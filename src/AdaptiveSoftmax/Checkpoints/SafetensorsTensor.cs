namespace AdaptiveSoftmax;

/// <summary>One tensor of a safetensors file, as its header describes it.</summary>
public sealed class SafetensorsTensor
{
    internal SafetensorsTensor(string name, string type, long[] shape, long count, long start, long end)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Count = count;
        Start = start;
        End = end;
    }

    /// <summary>The name, for example <c>head.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The type of its values as the format writes it, for example <c>F32</c>.</summary>
    public string Type { get; }

    /// <summary>The size of each dimension; empty for a single value.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The number of values.</summary>
    public long Count { get; }

    /// <summary>The first byte, counted from the end of the header.</summary>
    internal long Start { get; }

    /// <summary>The byte after the last.</summary>
    internal long End { get; }
}
