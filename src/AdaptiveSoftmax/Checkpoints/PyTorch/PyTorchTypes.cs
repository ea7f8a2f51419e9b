namespace AdaptiveSoftmax;

/// <summary>PyTorch's value types by the names that a pickle gives them.</summary>
internal static class PyTorchTypes
{
    /// <summary>A storage whose tensors name their types.</summary>
    public const string UntypedStorage = "torch.storage.UntypedStorage";

    /// <summary>The value type of a typed storage by its name in safetensors, or null for any other name.</summary>
    public static string? FindStorage(string storage) => storage switch
    {
        "torch.FloatStorage" => SafetensorsTypes.Float32,
        "torch.DoubleStorage" => SafetensorsTypes.Float64,
        "torch.HalfStorage" => SafetensorsTypes.Float16,
        "torch.BFloat16Storage" => SafetensorsTypes.BFloat16,
        "torch.ComplexFloatStorage" => "C64",
        "torch.LongStorage" => "I64",
        "torch.IntStorage" => "I32",
        "torch.ShortStorage" => "I16",
        "torch.CharStorage" => "I8",
        "torch.ByteStorage" => SafetensorsTypes.Byte,
        "torch.BoolStorage" => "BOOL",
        _ => null,
    };

    /// <summary>A value type by its name in safetensors, or null for any other name.</summary>
    public static string? FindType(string type) => type switch
    {
        "torch.float32" => SafetensorsTypes.Float32,
        "torch.float64" => SafetensorsTypes.Float64,
        "torch.float16" => SafetensorsTypes.Float16,
        "torch.bfloat16" => SafetensorsTypes.BFloat16,
        "torch.complex64" => "C64",
        "torch.int64" => "I64",
        "torch.int32" => "I32",
        "torch.int16" => "I16",
        "torch.int8" => "I8",
        "torch.uint64" => "U64",
        "torch.uint32" => "U32",
        "torch.uint16" => "U16",
        "torch.uint8" => SafetensorsTypes.Byte,
        "torch.bool" => "BOOL",
        "torch.float8_e4m3fn" => "F8_E4M3",
        "torch.float8_e5m2" => "F8_E5M2",
        _ => null,
    };

    /// <summary>Whether a name is that of a value type which safetensors has no name for.</summary>
    public static bool IsOtherType(string type) => type is "torch.complex128" or "torch.complex32" or "torch.float8_e4m3fnuz" or "torch.float8_e5m2fnuz";
}
