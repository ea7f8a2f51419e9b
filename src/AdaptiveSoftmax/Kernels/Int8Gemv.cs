using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>outputs[r] = (scales[r] · step) · Σ_k weight[r, k] · input[k] over whole numbers, 8 bits by 16.</summary>
internal static unsafe class Int8Gemv
{
    /// <summary>With inputs of at most this magnitude no sum of so many columns leaves 32 bits.</summary>
    public static int LargestInput(int columns) => Math.Min(short.MaxValue, int.MaxValue / sbyte.MaxValue / columns);

    /// <summary>The products of rows [first, end), at the widest vectors of this machine that a row fills.</summary>
    /// <param name="weight">[rows, columns].</param>
    /// <param name="scales">[rows].</param>
    /// <param name="input">[columns], each at most <see cref="LargestInput"/>.</param>
    /// <param name="step">What 1 of the input stands for.</param>
    /// <param name="outputs">[rows].</param>
    /// <param name="first">The first row.</param>
    /// <param name="end">The row after the last.</param>
    /// <param name="columns">The columns.</param>
    public static void MultiplyRows(sbyte* weight, float* scales, short* input, float step, float* outputs, int first, int end, int columns)
    {
        if (Vector512.IsHardwareAccelerated && columns >= Int8Rows512.Width)
            MultiplyRows<Int8Rows512, Vector512<int>>(weight, scales, input, step, outputs, first, end, columns);
        else if (Vector256.IsHardwareAccelerated && columns >= Int8Rows256.Width)
            MultiplyRows<Int8Rows256, Vector256<int>>(weight, scales, input, step, outputs, first, end, columns);
        else if (columns >= Int8Rows128.Width)
            MultiplyRows<Int8Rows128, Vector128<int>>(weight, scales, input, step, outputs, first, end, columns);
        else
            MultiplyRows<Int8RowsScalar, int>(weight, scales, input, step, outputs, first, end, columns);
    }

    /// <summary>The products of rows [first, end) at one vector width, which a row must fill.</summary>
    public static void MultiplyRows<TFormat, TVector>(
        sbyte* weight, float* scales, short* input, float step, float* outputs, int first, int end, int columns)
        where TFormat : struct, IRowFormat<TVector>
        where TVector : unmanaged
    {
        RowProducts<TFormat, TVector>.Multiply(new MatrixShape(end, columns), weight, input, outputs, first, end);
        Elementwise.Run(new Scaling(outputs + first, scales + first, step), end - first);
    }

    private readonly struct Scaling(float* outputs, float* scales, float step) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            var scale = TSimd.Multiply(TSimd.Load(scales + index), TSimd.Broadcast(step));
            TSimd.Store(TSimd.Multiply(TSimd.Load(outputs + index), scale), outputs + index);
        }
    }
}
