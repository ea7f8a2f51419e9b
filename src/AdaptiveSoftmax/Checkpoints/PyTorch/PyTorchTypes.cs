namespace AdaptiveSoftmax;

/// <summary>PyTorch's value types by the names that a pickle gives them.</summary>
internal static class PyTorchTypes
{
    private const string Module = "torch.";
    private const string StorageSuffix = "Storage";

    private static readonly Dictionary<string, string> s_storages = new()
    {
        ["Float"] = SafetensorsTypes.Float32,
        ["Double"] = SafetensorsTypes.Float64,
        ["Half"] = SafetensorsTypes.Float16,
        ["BFloat16"] = SafetensorsTypes.BFloat16,
        ["ComplexFloat"] = "C64",
        ["Long"] = "I64",
        ["Int"] = "I32",
        ["Short"] = "I16",
        ["Char"] = "I8",
        ["Byte"] = SafetensorsTypes.Byte,
        ["Bool"] = "BOOL",

        // Without a name in safetensors: listed, and not read.
        ["ComplexDouble"] = "complex128",
        ["QInt8"] = "qint8",
        ["QUInt8"] = "quint8",
        ["QInt32"] = "qint32",
        ["QUInt4x2"] = "quint4x2",
        ["QUInt2x4"] = "quint2x4",
    };

    private static readonly Dictionary<string, string> s_types = new()
    {
        ["float32"] = SafetensorsTypes.Float32,
        ["float64"] = SafetensorsTypes.Float64,
        ["float16"] = SafetensorsTypes.Float16,
        ["bfloat16"] = SafetensorsTypes.BFloat16,
        ["complex64"] = "C64",
        ["int64"] = "I64",
        ["int32"] = "I32",
        ["int16"] = "I16",
        ["int8"] = "I8",
        ["uint64"] = "U64",
        ["uint32"] = "U32",
        ["uint16"] = "U16",
        ["uint8"] = SafetensorsTypes.Byte,
        ["bool"] = "BOOL",
        ["float8_e4m3fn"] = "F8_E4M3",
        ["float8_e5m2"] = "F8_E5M2",
        ["float8_e8m0fnu"] = "F8_E8M0",
        ["float8_e4m3fnuz"] = "F8_E4M3FNUZ",
        ["float8_e5m2fnuz"] = "F8_E5M2FNUZ",
    };

    // Types without a name in safetensors, and what else PyTorch saves as a plain name of its module.
    private static readonly HashSet<string> s_others =
    [
        "complex32", "complex128", "chalf", "cfloat", "cdouble", "float4_e2m1fn_x2",
        "qint8", "quint8", "qint32", "quint4x2", "quint2x4",
        "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16",
        "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "int1", "int2", "int3", "int4", "int5", "int6", "int7",
        "per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric", "per_channel_affine_float_qparams",
    ];

    /// <summary>Whether a name is that of a storage whose tensors name their types.</summary>
    public static bool IsUntypedStorage(string name) =>
        name is "torch.storage.UntypedStorage" or "torch.storage._UntypedStorage" or "torch.UntypedStorage";

    /// <summary>The value type of a typed storage by its name in safetensors, or PyTorch's where it has none; null for any other name.</summary>
    public static string? FindStorage(string name) =>
        name.StartsWith(Module, StringComparison.Ordinal) && name.EndsWith(StorageSuffix, StringComparison.Ordinal) && name.Length > Module.Length + StorageSuffix.Length
            ? s_storages.GetValueOrDefault(name[Module.Length..^StorageSuffix.Length])
            : null;

    /// <summary>The storage of a value type that is named as in safetensors.</summary>
    public static string StorageOf(string type) => s_storages.First(storage => storage.Value == type).Key + StorageSuffix;

    /// <summary>A value type by its name in safetensors, or PyTorch's where it has none; null for any other name.</summary>
    public static string? FindType(string name)
    {
        if (!name.StartsWith(Module, StringComparison.Ordinal)) return null;
        var own = name[Module.Length..];
        return s_types.GetValueOrDefault(own) ?? (s_others.Contains(own) ? own : null);
    }
}
