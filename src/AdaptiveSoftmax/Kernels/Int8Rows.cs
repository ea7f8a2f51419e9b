using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace AdaptiveSoftmax;

/// <summary>
/// Rows of 8-bit whole numbers for an input of 16 bits, 32 columns at a time. The sums are exact, so every width and every
/// machine gives the same bits; a vector instruction multiplies and adds twice as many pairs as in float32.
/// </summary>
internal readonly unsafe struct Int8Rows512 : IRowFormat<Vector512<int>>
{
    public static int Bytes => sizeof(sbyte);

    public static int Width => Vector512<short>.Count;

    public static int LongRow => int.MaxValue;

    public static Vector512<int> Zero => Vector512<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LoadInput(void* input, int column) => Vector512.Load((short*)input + column).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LastColumns(int count) => Vector512.Load(LaneMasks.OfShorts(Width, count)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> And(Vector512<int> left, Vector512<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add(Vector512<int> left, Vector512<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(byte* row, Vector512<int> input, Vector512<int> sum) => Avx512BW.IsSupported
        ? sum + Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load((sbyte*)row)), input.AsInt16())
        : Vector512.Create(
            Int8Rows256.MultiplyAdd(row, input.GetLower(), sum.GetLower()),
            Int8Rows256.MultiplyAdd(row + Int8Rows256.Width, input.GetUpper(), sum.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(byte* row, Vector512<int> mask, Vector512<int> input, Vector512<int> sum) => MultiplyAdd(row, input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector512<int> s0, Vector512<int> s1, Vector512<int> s2, Vector512<int> s3) =>
        Int8Rows256.Sums(s0.GetLower() + s0.GetUpper(), s1.GetLower() + s1.GetUpper(), s2.GetLower() + s2.GetUpper(), s3.GetLower() + s3.GetUpper());
}

/// <inheritdoc cref="Int8Rows512"/>
internal readonly unsafe struct Int8Rows256 : IRowFormat<Vector256<int>>
{
    public static int Bytes => sizeof(sbyte);

    public static int Width => Vector256<short>.Count;

    // From eight lines of a cache a row on: at 512 columns a head that no cache holds took two thirds of the time, one in a cache the same.
    public static int LongRow => 512;

    public static Vector256<int> Zero => Vector256<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LoadInput(void* input, int column) => Vector256.Load((short*)input + column).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LastColumns(int count) => Vector256.Load(LaneMasks.OfShorts(Width, count)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> And(Vector256<int> left, Vector256<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> left, Vector256<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(byte* row, Vector256<int> input, Vector256<int> sum) => Avx2.IsSupported
        ? sum + Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(Vector128.Load((sbyte*)row)), input.AsInt16())
        : Vector256.Create(
            Int8Rows128.MultiplyAdd(row, input.GetLower(), sum.GetLower()),
            Int8Rows128.MultiplyAdd(row + Int8Rows128.Width, input.GetUpper(), sum.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(byte* row, Vector256<int> mask, Vector256<int> input, Vector256<int> sum) => MultiplyAdd(row, input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector256<int> s0, Vector256<int> s1, Vector256<int> s2, Vector256<int> s3)
    {
        if (!Avx2.IsSupported)
            return Int8Rows128.Sums(s0.GetLower() + s0.GetUpper(), s1.GetLower() + s1.GetUpper(), s2.GetLower() + s2.GetUpper(), s3.GetLower() + s3.GetUpper());
        var sums = Avx2.HorizontalAdd(Avx2.HorizontalAdd(s0, s1), Avx2.HorizontalAdd(s2, s3));
        return Vector128.ConvertToSingle(sums.GetLower() + sums.GetUpper());
    }
}

/// <inheritdoc cref="Int8Rows512"/>
internal readonly unsafe struct Int8Rows128 : IRowFormat<Vector128<int>>
{
    public static int Bytes => sizeof(sbyte);

    public static int Width => Vector128<short>.Count;

    public static int LongRow => int.MaxValue;

    public static Vector128<int> Zero => Vector128<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LoadInput(void* input, int column) => Vector128.Load((short*)input + column).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LastColumns(int count) => Vector128.Load(LaneMasks.OfShorts(Width, count)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> And(Vector128<int> left, Vector128<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add(Vector128<int> left, Vector128<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(byte* row, Vector128<int> input, Vector128<int> sum)
    {
        var (wide, x) = (Vector128.WidenLower(Vector64.Load((sbyte*)row).ToVector128Unsafe()), input.AsInt16());
        if (Sse2.IsSupported) return sum + Sse2.MultiplyAddAdjacent(wide, x);
        return sum + (Vector128.WidenLower(wide) * Vector128.WidenLower(x)) + (Vector128.WidenUpper(wide) * Vector128.WidenUpper(x));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(byte* row, Vector128<int> mask, Vector128<int> input, Vector128<int> sum) => MultiplyAdd(row, input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector128<int> s0, Vector128<int> s1, Vector128<int> s2, Vector128<int> s3)
    {
        if (Ssse3.IsSupported) return Vector128.ConvertToSingle(Ssse3.HorizontalAdd(Ssse3.HorizontalAdd(s0, s1), Ssse3.HorizontalAdd(s2, s3)));
        return Vector128.ConvertToSingle(AdvSimd.Arm64.IsSupported
            ? AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(s0, s1), AdvSimd.Arm64.AddPairwise(s2, s3))
            : Vector128.Create(Vector128.Sum(s0), Vector128.Sum(s1), Vector128.Sum(s2), Vector128.Sum(s3)));
    }
}

/// <summary>Rows of 8-bit whole numbers that are shorter than any vector.</summary>
internal readonly unsafe struct Int8RowsScalar : IRowFormat<int>
{
    public static int Bytes => sizeof(sbyte);

    public static int Width => 1;

    public static int LongRow => int.MaxValue;

    public static int Zero => 0;

    public static int LoadInput(void* input, int column) => ((short*)input)[column];

    public static int LastColumns(int count) => 0;

    public static int And(int left, int right) => left & right;

    public static int Add(int left, int right) => left + right;

    public static int MultiplyAdd(byte* row, int input, int sum) => sum + (*(sbyte*)row * input);

    public static int MultiplyAdd(byte* row, int mask, int input, int sum) => sum;

    public static Vector128<float> Sums(int s0, int s1, int s2, int s3) => Vector128.ConvertToSingle(Vector128.Create(s0, s1, s2, s3));
}
