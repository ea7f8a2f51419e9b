using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// Rounds rows of float32. What is left after the last whole vector is rounded again with columns before it, to the same
/// values.
/// </summary>
internal static unsafe class RowRounding
{
    private const int LargestInt8 = 127;
    private const int Step = 16;

    /// <summary>The largest number that float16 holds.</summary>
    public const float LargestFloat16 = 65504;

    /// <summary>To whole numbers of 8 bits, [columns].</summary>
    /// <param name="row">[columns].</param>
    /// <param name="columns">The columns.</param>
    /// <param name="target">Zeros, which become the whole numbers.</param>
    /// <returns>What 1 stands for; NaN where a value is not finite, so that the logit is NaN, as a float32 one would be or become.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ToInt8(float* row, int columns, sbyte* target)
    {
        var largest = Vectors.LargestMagnitude(row, columns);
        if (!float.IsFinite(largest)) return float.NaN;

        // The quotient of a value by a scale that is not a normal number could pass 127.
        var scale = largest / LargestInt8;
        if (scale == 0) return scale;
        if (columns < Step)
        {
            for (var k = 0; k < columns; k++) target[k] = (sbyte)Math.Clamp(MathF.Round(row[k] / scale), -LargestInt8, LargestInt8);
            return scale;
        }

        var divisor = Vector256.Create(scale);
        for (var k = 0; k < columns; k += Step)
        {
            var at = Math.Min(k, columns - Step);
            var whole = Vector256.Narrow(Whole(Vector256.Load(row + at), divisor), Whole(Vector256.Load(row + at + 8), divisor));
            Vector128.Narrow(whole.GetLower(), whole.GetUpper()).Store(target + at);
        }

        return scale;
    }

    /// <summary>To bfloat16, [columns]: to nearest, ties to even; a NaN stays one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToBFloat16(float* row, int columns, ushort* target)
    {
        if (columns < Step)
        {
            for (var k = 0; k < columns; k++) target[k] = ToBFloat16(row[k]);
            return;
        }

        for (var k = 0; k < columns; k += Step)
        {
            var at = Math.Min(k, columns - Step);
            Vector256.Narrow(UpperHalf(Vector256.Load(row + at)), UpperHalf(Vector256.Load(row + at + 8))).Store(target + at);
        }
    }

    /// <summary>To float16, [columns]: to nearest, ties to even, of values that are not beyond <see cref="LargestFloat16"/>.</summary>
    public static void ToFloat16(float* row, int columns, Half* target)
    {
        for (var k = 0; k < columns; k++) target[k] = (Half)row[k];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Whole(Vector256<float> values, Vector256<float> scale)
    {
        var whole = Vector256.Round(values / scale);
        return Vector256.ConvertToInt32(Vector256.Min(Vector256.Max(whole, Vector256.Create((float)-LargestInt8)), Vector256.Create((float)LargestInt8)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> UpperHalf(Vector256<float> values)
    {
        var bits = values.AsUInt32();
        var rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256.Create(1u))) >> 16;
        return Vector256.ConditionalSelect(Vector256.Equals(values, values).AsUInt32(), rounded, (bits >> 16) | Vector256.Create(0x40u));
    }

    private static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
