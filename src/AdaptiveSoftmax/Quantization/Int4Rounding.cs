using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// Rounds rows of float32 to whole numbers of 4 bits, from −8 to 7, in groups of 32: a value is the row's scale times the group's
/// half-precision factor times its whole number.
/// </summary>
internal static unsafe class Int4Rounding
{
    private const int GroupSize = Int4Gemv.GroupSize;
    private const float Least = -8;
    private const float Most = 7;

    // Either the largest value is −8, whichever sign it has, or it is 7 and so may a value of the other sign be; or it is cut
    // a little, and all others are finer.
    private static ReadOnlySpan<float> Divisors => [Least, Most, Least / 0.92f];

    /// <summary>Rounds a row.</summary>
    /// <param name="row">[columns].</param>
    /// <param name="columns">The columns.</param>
    /// <param name="target">Receives the whole numbers, [groups, 16].</param>
    /// <param name="factors">Receives the half-precision factors, [groups].</param>
    /// <returns>The row's scale, an eighth of its largest value; NaN where a value is not finite, so that the logit is NaN.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ToInt4(float* row, int columns, byte* target, short* factors)
    {
        var largest = Vectors.LargestMagnitude(row, columns);
        if (!float.IsFinite(largest)) return float.NaN;
        var scale = largest / -Least;
        var padded = stackalloc float[GroupSize];
        for (var k = 0; k < columns; k += GroupSize, target += Int4Gemv.GroupBytes, factors++)
        {
            var values = Group(row + k, columns - k, padded);
            var extreme = Extreme(values);
            var (least, best) = (float.PositiveInfinity, (short)0);
            foreach (var divisor in Divisors)
            {
                var factor = BitConverter.HalfToInt16Bits((Half)(extreme / divisor / scale));
                var error = Error(values, scale * Int4Gemv.Widen(factor), scale);
                if (error < least) (least, best) = (error, factor);
            }

            // Nothing is left of a group that is too small beside the row.
            var step = scale * Int4Gemv.Widen(best);
            *factors = step == 0 ? (short)0 : best;
            Pack(values, step, target);
        }

        return scale;
    }

    /// <summary>Writes a row as float32, [columns].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(byte* row, short* factors, float scale, float* target, int columns)
    {
        var whole = stackalloc float[GroupSize];
        for (var k = 0; k < columns; k += GroupSize, row += Int4Gemv.GroupBytes, factors++)
        {
            var step = scale * Int4Gemv.Widen(*factors);
            Unpack(row, whole);
            var i = 0;
            for (; i < GroupSize && k + i + Vector256<float>.Count <= columns; i += Vector256<float>.Count)
                (Vector256.Load(whole + i) * Vector256.Create(step)).Store(target + k + i);
            for (; i < GroupSize && k + i < columns; i++) target[k + i] = whole[i] * step;
        }
    }

    /// <summary>The whole numbers of a group.</summary>
    /// <param name="group">[16].</param>
    /// <param name="whole">Receives them, [32].</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack(byte* group, float* whole)
    {
        for (var i = 0; i < Int4Gemv.GroupBytes; i += Vector256<float>.Count)
        {
            var bytes = Simd256.WidenInt8((sbyte*)group + i);
            Vector256.ConvertToSingle((bytes << 28) >> 28).Store(whole + i);
            Vector256.ConvertToSingle(bytes >> 4).Store(whole + i + Int4Gemv.GroupBytes);
        }
    }

    /// <summary>A group's values: where the row ends in it, a copy with zeros behind them.</summary>
    /// <param name="values">The values that are left of the row.</param>
    /// <param name="count">Their number.</param>
    /// <param name="padded">Room for a copy, [32].</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* Group(float* values, int count, float* padded)
    {
        if (count >= GroupSize) return values;
        var copy = new Span<float>(padded, GroupSize);
        new ReadOnlySpan<float>(values, count).CopyTo(copy);
        copy[count..].Clear();
        return padded;
    }

    // The value of the largest magnitude, with its sign.
    private static float Extreme(float* values)
    {
        var (most, least) = (Vector256.Load(values), Vector256.Load(values));
        for (var i = Vector256<float>.Count; i < GroupSize; i += Vector256<float>.Count)
        {
            most = Vector256.Max(most, Vector256.Load(values + i));
            least = Vector256.Min(least, Vector256.Load(values + i));
        }

        var (high, low) = (most[0], least[0]);
        for (var lane = 1; lane < Vector256<float>.Count; lane++) (high, low) = (MathF.Max(high, most[lane]), MathF.Min(low, least[lane]));
        return high > -low ? high : low;
    }

    // In units of the row's scale, whose squares float32 holds.
    private static float Error(float* values, float step, float scale)
    {
        var errors = Vector256<float>.Zero;
        for (var i = 0; i < GroupSize; i += Vector256<float>.Count)
        {
            var value = Vector256.Load(values + i);
            var difference = (value - (Whole(value, step) * step)) / Vector256.Create(scale);
            errors += difference * difference;
        }

        return Vector256.Sum(errors);
    }

    private static void Pack(float* values, float step, byte* target)
    {
        for (var i = 0; i < Int4Gemv.GroupBytes; i += Vector256<float>.Count)
        {
            var low = Vector256.ConvertToInt32(Whole(Vector256.Load(values + i), step)) & Vector256.Create(15);
            var high = Vector256.ConvertToInt32(Whole(Vector256.Load(values + i + Int4Gemv.GroupBytes), step)) & Vector256.Create(15);
            var both = low | (high << 4);
            for (var lane = 0; lane < Vector256<int>.Count; lane++) target[i + lane] = (byte)both[lane];
        }
    }

    // The quotient by a step that is not a normal number could pass the ends.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Whole(Vector256<float> values, float step) => step == 0
        ? Vector256<float>.Zero
        : Vector256.Min(Vector256.Max(Vector256.Round(values / Vector256.Create(step)), Vector256.Create(Least)), Vector256.Create(Most));
}
