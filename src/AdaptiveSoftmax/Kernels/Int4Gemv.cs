using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AdaptiveSoftmax;

/// <summary>
/// outputs[r] = (scales[r] · step) · Σ_g groupScales[r, g] · Σ_(k in g) weight[r, k] · input[k] over groups of 32 whole numbers of
/// 4 bits, for an input of 16 bits.
/// </summary>
/// <remarks>
/// A row is 16 bytes a group: byte j holds column j below and column j + 16 above, each in two's complement. Columns past the
/// last are zeros, in weight and input, so that no group needs another treatment. The sums of a group are exact, and those over
/// the groups have one order of fused operations at every vector width, so that all give the same bits.
/// </remarks>
internal static unsafe class Int4Gemv
{
    /// <summary>The columns that share a scale.</summary>
    public const int GroupSize = 32;

    /// <summary>The bytes of a group's whole numbers.</summary>
    public const int GroupBytes = GroupSize / 2;

    /// <summary>Half-precision numbers that must be readable behind the last group's scale.</summary>
    public const int ReadBehind = 16;

    /// <summary>The groups of a row.</summary>
    public static int Groups(int columns) => (columns + GroupSize - 1) / GroupSize;

    /// <summary>Higham's γ of so many roundings covers the sums over the groups, and what comes after them.</summary>
    public static int Roundings(int columns) => (Groups(columns) / 2) + 16;

    /// <summary>The products of rows [first, end), at the widest vectors of this machine.</summary>
    /// <param name="weight">[rows, groups, 16].</param>
    /// <param name="groupScales">Half-precision numbers, [rows, groups], and <see cref="ReadBehind"/> more.</param>
    /// <param name="scales">[rows].</param>
    /// <param name="input">[groups · 32].</param>
    /// <param name="step">What 1 of the input stands for.</param>
    /// <param name="outputs">[rows].</param>
    /// <param name="first">The first row.</param>
    /// <param name="end">The row after the last.</param>
    /// <param name="groups">The groups of a row.</param>
    public static void MultiplyRows(byte* weight, short* groupScales, float* scales, short* input, float step, float* outputs, int first, int end, int groups)
    {
        if (Vector512.IsHardwareAccelerated && Avx512BW.IsSupported) MultiplyRows<Int4Rows512>(weight, groupScales, scales, input, step, outputs, first, end, groups);
        else if (Avx2.IsSupported) MultiplyRows<Int4Rows256>(weight, groupScales, scales, input, step, outputs, first, end, groups);
        else MultiplyRows<Int4Rows128>(weight, groupScales, scales, input, step, outputs, first, end, groups);
    }

    /// <summary>The products of rows [first, end) at one vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRows<TRows>(byte* weight, short* groupScales, float* scales, short* input, float step, float* outputs, int first, int end, int groups)
        where TRows : struct, IInt4Rows
    {
        var stride = (nint)groups * GroupBytes;
        var w = weight + (first * stride);
        var s = groupScales + ((nint)first * groups);
        var row = first;
        for (; row + 4 <= end; row += 4, w += 4 * stride, s += 4 * (nint)groups)
        {
            var sums = Simd256.Sums(
                new(TRows.Multiply(w, s, input, groups)),
                new(TRows.Multiply(w + stride, s + groups, input, groups)),
                new(TRows.Multiply(w + (2 * stride), s + (2 * groups), input, groups)),
                new(TRows.Multiply(w + (3 * stride), s + (3 * groups), input, groups)));
            (sums * (Vector128.Load(scales + row) * Vector128.Create(step))).Store(outputs + row);
        }

        for (; row < end; row++, w += stride, s += groups)
        {
            var sum = new Simd256(TRows.Multiply(w, s, input, groups));
            outputs[row] = Simd256.Sums(sum, sum, sum, sum)[0] * (scales[row] * step);
        }
    }

    /// <summary>Half-precision numbers, as 16 bits in the lower half of each lane, as float32; exactly, subnormal ones too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Widen(short half) =>
        BitConverter.Int32BitsToSingle((half << 13) & HalfBits) * HalfFactor;

    // The sign and, below float32's three highest bits of the exponent, exponent and fraction; 2¹¹² makes up for the bias.
    internal const int HalfBits = unchecked((int)0x8FFFE000);
    internal const float HalfFactor = 5.192296858534828e33f;
}
