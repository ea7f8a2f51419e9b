namespace AdaptiveSoftmax;

/// <summary>A dict, as its pairs in order: nothing is hashed, so keys of a file's choice cost nothing.</summary>
internal sealed class PickleDict
{
    public List<(object? Key, object? Value)> Pairs { get; } = [];
}

/// <summary>A name of Python's, which is never looked up.</summary>
internal sealed record PickleGlobal(string Name);

/// <summary>A value that is passed over: bytes, a complex number, an object of a class that nothing is known of.</summary>
internal sealed class PickleObject
{
    public static PickleObject Instance { get; } = new();
}

/// <summary>A storage: the record <c>data/{Key}</c> with values of one type.</summary>
internal sealed record PickleStorage(string Type, string Key, long Count)
{
    /// <summary>Whether the storage says nothing of its type, and counts bytes.</summary>
    public bool IsUntyped { get; init; }

    /// <summary>Whether it has no values at all.</summary>
    public bool IsMeta { get; init; }
}

/// <summary>A view of a storage, or a tensor of a kind that is listed and not read, which has none.</summary>
internal sealed record PickleTensor(string Type, PickleStorage? Storage, long Offset, long[] Shape, long[] Strides)
{
    /// <summary>Whether its values are those of the storage with the other sign.</summary>
    public bool IsNegated { get; init; }
}
