namespace AdaptiveSoftmax;

/// <summary>PyTorch's storages by the names that a pickle gives them.</summary>
internal static class PyTorchTypes
{
    /// <summary>The value type by its name in safetensors, or null for any other name.</summary>
    public static string? Find(string storage) => storage switch
    {
        "torch.FloatStorage" => SafetensorsTypes.Float32,
        "torch.DoubleStorage" => SafetensorsTypes.Float64,
        "torch.HalfStorage" => SafetensorsTypes.Float16,
        "torch.BFloat16Storage" => SafetensorsTypes.BFloat16,
        "torch.LongStorage" => "I64",
        "torch.IntStorage" => "I32",
        "torch.ShortStorage" => "I16",
        "torch.CharStorage" => "I8",
        "torch.ByteStorage" => "U8",
        "torch.BoolStorage" => "BOOL",
        _ => null,
    };
}
