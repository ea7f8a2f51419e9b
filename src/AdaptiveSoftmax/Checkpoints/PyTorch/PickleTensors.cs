namespace AdaptiveSoftmax;

/// <summary>What the calls that make tensors in a pickle would make, read off their arguments.</summary>
internal static class PickleTensors
{
    /// <summary>The tensor; null where the call is none of these, or has other arguments than PyTorch gives it.</summary>
    public static PickleTensor? Find(string function, object?[] arguments) => (function, arguments) switch
    {
        (PickleNames.RebuildParameter or PickleNames.RebuildParameterWithState or PickleNames.RebuildOnDevice, [PickleTensor tensor, ..]) => tensor,
        (PickleNames.RebuildFromType, [PickleGlobal inner, PickleGlobal, object?[] call, ..]) when inner.Name != PickleNames.RebuildFromType => Find(inner.Name, call),
        (PickleNames.RebuildOldTensor, [PickleStorage storage, long offset, object?[] shape, object?[] strides]) => View(storage, offset, shape, strides, null),
        (PickleNames.RebuildTensor, [PickleStorage storage, long offset, object?[] shape, object?[] strides, _, _, .. var more]) => View(storage, offset, shape, strides, more),
        (PickleNames.RebuildTypedTensor, [PickleStorage { IsUntyped: true } storage, long offset, object?[] shape, object?[] strides, _, _, PickleGlobal type, .. var more]) =>
            Typed(storage, type.Name) is { } typed ? View(typed, offset, shape, strides, more) : null,

        // Listed with their shapes, and not read.
        (PickleNames.RebuildQuantized, [PickleStorage storage, long, object?[] shape, object?[], ..]) => Other(storage.Type, shape),
        (PickleNames.RebuildSparse or PickleNames.RebuildOldSparse, [_, object?[] parts]) when parts.OfType<object?[]>().FirstOrDefault() is { } shape => Other("sparse", shape),
        (PickleNames.RebuildMeta, [_, object?[] shape, ..]) => Other("meta", shape),
        (PickleNames.RebuildWrapper, [_, _, object?[] shape, ..]) => Other("subclass", shape),
        (PickleNames.RebuildNested, [..]) => Other("nested", []),
        _ => null,
    };

    private static PickleStorage? Typed(PickleStorage storage, string typeName)
    {
        if (PyTorchTypes.FindType(typeName) is not { } type) return null;
        var size = SafetensorsTypes.FindBits(type) / 8;
        if (size == 0) return storage with { Type = type, IsUntyped = false };
        return storage.Count % size == 0 ? storage with { Type = type, IsUntyped = false, Count = storage.Count / size } : null;
    }

    private static PickleTensor? View(PickleStorage storage, long offset, object?[] shape, object?[] strides, object?[]? more)
    {
        if (storage.IsUntyped || shape.Length != strides.Length || offset < 0) return null;
        if (ToSizes(shape) is not { } sizes || ToSizes(strides) is not { } steps) return null;
        if (storage.IsMeta) return new PickleTensor("meta", null, 0, sizes, []);
        var type = storage.Type;
        var isNegated = false;

        // What PyTorch would do to the values when they are used.
        foreach (var (key, value) in more is [PickleDict marks, ..] ? marks.Pairs : [])
        {
            if (value is not true) continue;
            if (key is "neg") isNegated = true;
            else type = $"{storage.Type} with the mark '{key}'";
        }

        return new PickleTensor(type, storage, offset, sizes, steps) { IsNegated = isNegated };
    }

    private static PickleTensor? Other(string type, object?[] shape) =>
        ToSizes(shape) is { } sizes ? new PickleTensor(type, null, 0, sizes, []) : null;

    private static long[]? ToSizes(object?[] values) =>
        values.Length <= WeightsLimits.Dimensions && values.All(value => value is long and >= 0) ? [.. values.Cast<long>()] : null;
}
