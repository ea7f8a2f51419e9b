namespace AdaptiveSoftmax;

/// <summary>A dict, as its pairs in order: nothing is hashed, so keys of a file's choice cost nothing.</summary>
internal sealed class PickleDict
{
    public List<(object? Key, object? Value)> Pairs { get; } = [];
}

/// <summary>A name of Python's, which is never looked up.</summary>
internal sealed record PickleGlobal(string Name);

/// <summary>A storage: the record <c>data/{Key}</c> with values of one type.</summary>
internal sealed record PickleStorage(string Type, string Key, long Count)
{
    /// <summary>Whether the storage says nothing of its type, and counts bytes.</summary>
    public bool IsUntyped { get; init; }
}

/// <summary>A view of a storage.</summary>
internal sealed record PickleTensor(PickleStorage Storage, long Offset, long[] Shape, long[] Strides);
