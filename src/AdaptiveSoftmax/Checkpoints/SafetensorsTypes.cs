namespace AdaptiveSoftmax;

/// <summary>The value types of the format by their names in a header.</summary>
internal static class SafetensorsTypes
{
    public const string Float32 = "F32";
    public const string Float64 = "F64";
    public const string Float16 = "F16";
    public const string BFloat16 = "BF16";
    public const string Byte = "U8";
    public const string Int8 = "I8";

    private static readonly Dictionary<string, int> s_bits = new()
    {
        [Float32] = 32,
        [Float64] = 64,
        [Float16] = 16,
        [BFloat16] = 16,
        ["BOOL"] = 8,
        [Byte] = 8,
        [Int8] = 8,
        ["U16"] = 16,
        ["I16"] = 16,
        ["U32"] = 32,
        ["I32"] = 32,
        ["U64"] = 64,
        ["I64"] = 64,
        ["C64"] = 64,
        ["F8_E4M3"] = 8,
        ["F8_E5M2"] = 8,
        ["F8_E8M0"] = 8,
        ["F8_E4M3FNUZ"] = 8,
        ["F8_E5M2FNUZ"] = 8,
        ["F6_E2M3"] = 6,
        ["F6_E3M2"] = 6,
        ["F4"] = 4,
    };

    /// <summary>The bits of one value, or 0 for an unknown type.</summary>
    public static int FindBits(string name) => s_bits.GetValueOrDefault(name);
}
