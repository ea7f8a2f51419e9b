using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Values of the types that weights come in, as float32.</summary>
internal static class FloatConversion
{
    /// <summary>The bytes of one value of a type that can be converted, or 0.</summary>
    public static int GetSize(string type) => type switch
    {
        SafetensorsTypes.Float32 => sizeof(float),
        SafetensorsTypes.Float64 => sizeof(double),
        SafetensorsTypes.Float16 or SafetensorsTypes.BFloat16 => sizeof(ushort),
        _ => 0,
    };

    /// <summary>An exception for a type that cannot be converted.</summary>
    public static WeightsFormatException UnknownType(WeightsFile file, WeightsTensor tensor) =>
        file.CreateFault(tensor.Name, $"Its type is {Excerpt.Name(tensor.Type)}; only F32, F64, F16 and BF16 can be read as weights.", "Save it as a dense tensor of float32.");

    /// <summary>Converts little-endian values.</summary>
    /// <param name="file">The file, for messages.</param>
    /// <param name="tensor">The tensor, whose type has a <see cref="GetSize">size</see>.</param>
    /// <param name="bytes">The values as they stand in the file.</param>
    /// <param name="values">Where they go.</param>
    /// <exception cref="WeightsFormatException">A finite number is out of float32's range.</exception>
    public static void Convert(WeightsFile file, WeightsTensor tensor, ReadOnlySpan<byte> bytes, Span<float> values)
    {
        switch (tensor.Type)
        {
            case SafetensorsTypes.Float32:
                bytes.CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case SafetensorsTypes.Float64:
                ConvertDoubles(file, tensor, MemoryMarshal.Cast<byte, double>(bytes), values);
                break;
            case SafetensorsTypes.Float16:
                var halves = MemoryMarshal.Cast<byte, Half>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = (float)halves[i];
                break;
            default:
                // A bfloat16 is the upper half of the float32 of the same value.
                var upper = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
                break;
        }
    }

    // An infinity of the file's own stays one; a number that would become one is not what the file says.
    private static void ConvertDoubles(WeightsFile file, WeightsTensor tensor, ReadOnlySpan<double> doubles, Span<float> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (float)doubles[i];
            if (float.IsInfinity(values[i]) && double.IsFinite(doubles[i]))
                throw file.CreateFault(tensor.Name, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"It holds {doubles[i]:R}, which is out of float32's range."), "Scale or clip it before loading.");
        }
    }
}
