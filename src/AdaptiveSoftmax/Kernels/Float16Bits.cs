using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Widens finite float16 values whose bits stand sign-extended in 32-bit lanes.</summary>
/// <remarks>
/// The exponent's bias grows from 15 to 127, which makes (1 + f) · 2⁻¹⁵ = a of a number below the normal ones, f · 2⁻¹⁴. That is
/// a − (2⁻¹⁴ − a), and both subtractions are exact; no operand is a subnormal float32, which would cost a hundred cycles.
/// Infinities and NaN become numbers, so they are refused before they are stored.
/// </remarks>
internal static class Float16Bits
{
    private const int Sign = int.MinValue;

    // Where exponent and fraction lie once they are moved to their place in a float32.
    private const int Magnitude = 0x0FFFE000;
    private const int FractionBits = 23 - 10;
    private const int BiasDifference = (127 - 15) << 23;
    private const float SmallestNormal = 1f / (1 << 14);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat32(Vector128<int> bits)
    {
        var moved = bits << FractionBits;
        var value = ((moved & Vector128.Create(Magnitude)) + Vector128.Create(BiasDifference)).AsSingle();
        value -= Vector128.Max(Vector128.Create(SmallestNormal) - value, Vector128<float>.Zero);
        return value | (moved & Vector128.Create(Sign)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat32(Vector256<int> bits)
    {
        var moved = bits << FractionBits;
        var value = ((moved & Vector256.Create(Magnitude)) + Vector256.Create(BiasDifference)).AsSingle();
        value -= Vector256.Max(Vector256.Create(SmallestNormal) - value, Vector256<float>.Zero);
        return value | (moved & Vector256.Create(Sign)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToFloat32(Vector512<int> bits)
    {
        var moved = bits << FractionBits;
        var value = ((moved & Vector512.Create(Magnitude)) + Vector512.Create(BiasDifference)).AsSingle();
        value -= Vector512.Max(Vector512.Create(SmallestNormal) - value, Vector512<float>.Zero);
        return value | (moved & Vector512.Create(Sign)).AsSingle();
    }
}
