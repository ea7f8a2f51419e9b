namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>Conversions of bfloat16, the upper half of a float32.</summary>
internal static class BFloat16
{
    /// <summary>A quiet not-a-number: what lies outside of a matrix has this value in tests.</summary>
    public const ushort NaN = 0x7FFF;

    /// <summary>The nearest number, ties to even.</summary>
    public static ushort Round(float value)
    {
        if (float.IsNaN(value)) return NaN;
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The number as float32.</summary>
    public static float Widen(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);
}
