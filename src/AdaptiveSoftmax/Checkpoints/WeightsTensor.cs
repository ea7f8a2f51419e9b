namespace AdaptiveSoftmax;

/// <summary>One tensor of a file of weights, as the file describes it.</summary>
public abstract class WeightsTensor
{
    private protected WeightsTensor(string name, string type, IReadOnlyList<long> shape, long count)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Count = count;
    }

    /// <summary>The name, for example <c>head.weight</c>.</summary>
    public string Name { get; }

    /// <summary>
    /// The type of its values by its name in safetensors, for example <c>F32</c>, whatever the file's format. What has no
    /// name there has the file's own, for example <c>complex128</c> or <c>sparse</c>, and is listed and not read.
    /// </summary>
    public string Type { get; }

    /// <summary>The size of each dimension; empty for a single value.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The number of values.</summary>
    public long Count { get; }
}
