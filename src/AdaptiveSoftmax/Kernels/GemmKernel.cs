using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;

namespace AdaptiveSoftmax;

/// <summary>
/// c[i, j] (+)= Σ_p a[i, p] · b[p, j] on one thread, with free strides of a. The three products of a linear layer are
/// this one, so that no matrix is ever packed or transposed but the small block of hidden vectors:
/// logits = W · Xᵀ, dX = dLᵀ · W and dW += dL · X, with logits laid out [rows, tokens].
/// </summary>
/// <remarks>
/// Each sum runs over p in ascending order in one accumulator, so the result does not depend on the vector width nor on
/// how rows and columns are divided among threads. Compiled with full optimisation at the first call: a first
/// training step would feel how slow an unoptimised tile is.
/// </remarks>
internal static unsafe class GemmKernel<TSimd>
    where TSimd : unmanaged, ISimd<TSimd>
{
    // A strip of b, [DepthBlock, tile columns], stays in the second-level cache while the rows of a pass over it.
    private const int DepthBlock = 512;

    // Sixteen accumulators need 32 registers, which come with 512-bit vectors and which ARM64 has.
    private static bool HasManyRegisters => TSimd.Width >= 16 || (AdvSimd.Arm64.IsSupported && TSimd.Width <= 4);

    /// <summary>The product of a [rows, depth] and b [depth, columns], added to c where asked.</summary>
    public static void Multiply(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int depth, bool accumulate)
    {
        if (depth == 0 && !accumulate)
        {
            for (var row = 0; row < rows; row++) new Span<float>(c + (row * cRow), columns).Clear();
        }

        for (var start = 0; start < depth; start += DepthBlock)
        {
            var steps = Math.Min(DepthBlock, depth - start);
            MultiplyBlock(a + (start * aStep), aRow, aStep, b + (start * bRow), bRow, c, cRow, rows, columns, steps, accumulate || start > 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyBlock(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int depth, bool accumulate)
    {
        if (columns < TSimd.Width)
        {
            Narrower(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
            return;
        }

        var column = 0;
        if (HasManyRegisters)
        {
            for (; column + (4 * TSimd.Width) <= columns; column += 4 * TSimd.Width)
                Strip<FourVectors>(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, depth, accumulate, 4 * TSimd.Width);
        }

        // Forty-eight tokens, say, in one pass over the weights instead of two.
        if (HasManyRegisters && column + (3 * TSimd.Width) <= columns)
        {
            Strip<ThreeVectors>(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, depth, accumulate, 3 * TSimd.Width);
            column += 3 * TSimd.Width;
        }

        for (; column + (2 * TSimd.Width) <= columns; column += 2 * TSimd.Width)
            Strip<TwoVectors>(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, depth, accumulate, 2 * TSimd.Width);
        for (; column + TSimd.Width <= columns; column += TSimd.Width)
            Strip<OneVector>(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, depth, accumulate, TSimd.Width);
        if (column < columns) Last(a, aRow, aStep, b + columns, bRow, c + columns, cRow, rows, columns - column, depth, accumulate);
    }

    // The columns that are left, by the narrowest vector that holds them; it ends with the row and stores only their lanes.
    private static void Last(
        float* a, nint aRow, nint aStep, float* bEnd, nint bRow, float* cEnd, nint cRow, int rows, int lanes, int depth, bool accumulate)
    {
        if (TSimd.Width > Simd256.Width && lanes <= Simd256.Width)
            GemmKernel<Simd256>.Last(a, aRow, aStep, bEnd, bRow, cEnd, cRow, rows, lanes, depth, accumulate);
        else if (TSimd.Width > Simd128.Width && lanes <= Simd128.Width)
            GemmKernel<Simd128>.Last(a, aRow, aStep, bEnd, bRow, cEnd, cRow, rows, lanes, depth, accumulate);
        else
            Strip<OneVector>(a, aRow, aStep, bEnd - TSimd.Width, bRow, cEnd - TSimd.Width, cRow, rows, depth, accumulate, lanes);
    }

    private static void Narrower(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int depth, bool accumulate)
    {
        if (TSimd.Width > Simd256.Width) GemmKernel<Simd256>.MultiplyBlock(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
        else if (TSimd.Width > Simd128.Width) GemmKernel<Simd128>.MultiplyBlock(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
        else GemmKernel<SimdScalar>.MultiplyBlock(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Strip<TTile>(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int depth, bool accumulate, int lanes)
        where TTile : struct, ITile
    {
        var row = 0;
        // One vector a row: four sums would wait for each other.
        if (typeof(TTile) == typeof(OneVector))
        {
            for (; row + 8 <= rows; row += 8)
                OneVector.EightRows(a + (row * aRow), aRow, aStep, b, bRow, c + (row * cRow), cRow, depth, accumulate, lanes);
        }

        for (; row + 4 <= rows; row += 4)
            TTile.FourRows(a + (row * aRow), aRow, aStep, b, bRow, c + (row * cRow), cRow, depth, accumulate, lanes);
        for (; row < rows; row++)
            TTile.OneRow(a + (row * aRow), aStep, b, bRow, c + (row * cRow), depth, accumulate, lanes);
    }

    /// <summary>Some vectors of columns, of which the last lanes are stored.</summary>
    private interface ITile
    {
        static abstract void FourRows(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool accumulate, int lanes);

        static abstract void OneRow(float* a, nint aStep, float* b, nint bRow, float* c, int depth, bool accumulate, int lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TSimd Start(float* c, bool accumulate) => accumulate ? TSimd.Load(c) : TSimd.Zero;

    private readonly struct OneVector : ITile
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void EightRows(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool accumulate, int lanes)
        {
            float* a4 = a + (4 * aRow), c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow, c4 = c3 + cRow, c5 = c4 + cRow, c6 = c5 + cRow, c7 = c6 + cRow;
            var thirdRow = 3 * aRow;
            var isWhole = lanes == TSimd.Width;
            var mask = MaskOf(lanes);
            var s0 = Start(c, accumulate);
            var s1 = Start(c1, accumulate);
            var s2 = Start(c2, accumulate);
            var s3 = Start(c3, accumulate);
            var s4 = Start(c4, accumulate);
            var s5 = Start(c5, accumulate);
            var s6 = Start(c6, accumulate);
            var s7 = Start(c7, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, a4 += aStep, b += bRow)
            {
                var x = TSimd.Load(b);
                s0 = TSimd.MultiplyAdd(TSimd.Broadcast(*a), x, s0);
                s1 = TSimd.MultiplyAdd(TSimd.Broadcast(a[aRow]), x, s1);
                s2 = TSimd.MultiplyAdd(TSimd.Broadcast(a[2 * aRow]), x, s2);
                s3 = TSimd.MultiplyAdd(TSimd.Broadcast(a[thirdRow]), x, s3);
                s4 = TSimd.MultiplyAdd(TSimd.Broadcast(*a4), x, s4);
                s5 = TSimd.MultiplyAdd(TSimd.Broadcast(a4[aRow]), x, s5);
                s6 = TSimd.MultiplyAdd(TSimd.Broadcast(a4[2 * aRow]), x, s6);
                s7 = TSimd.MultiplyAdd(TSimd.Broadcast(a4[thirdRow]), x, s7);
            }

            Store(s0, c, mask, isWhole);
            Store(s1, c1, mask, isWhole);
            Store(s2, c2, mask, isWhole);
            Store(s3, c3, mask, isWhole);
            Store(s4, c4, mask, isWhole);
            Store(s5, c5, mask, isWhole);
            Store(s6, c6, mask, isWhole);
            Store(s7, c7, mask, isWhole);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void FourRows(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool accumulate, int lanes)
        {
            float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
            var isWhole = lanes == TSimd.Width;
            var mask = MaskOf(lanes);
            var s0 = Start(c, accumulate);
            var s1 = Start(c1, accumulate);
            var s2 = Start(c2, accumulate);
            var s3 = Start(c3, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, a1 += aStep, a2 += aStep, a3 += aStep, b += bRow)
            {
                var x = TSimd.Load(b);
                s0 = TSimd.MultiplyAdd(TSimd.Broadcast(*a), x, s0);
                s1 = TSimd.MultiplyAdd(TSimd.Broadcast(*a1), x, s1);
                s2 = TSimd.MultiplyAdd(TSimd.Broadcast(*a2), x, s2);
                s3 = TSimd.MultiplyAdd(TSimd.Broadcast(*a3), x, s3);
            }

            Store(s0, c, mask, isWhole);
            Store(s1, c1, mask, isWhole);
            Store(s2, c2, mask, isWhole);
            Store(s3, c3, mask, isWhole);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void OneRow(float* a, nint aStep, float* b, nint bRow, float* c, int depth, bool accumulate, int lanes)
        {
            var isWhole = lanes == TSimd.Width;
            var mask = MaskOf(lanes);
            var s = Start(c, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, b += bRow) s = TSimd.MultiplyAdd(TSimd.Broadcast(*a), TSimd.Load(b), s);
            Store(s, c, mask, isWhole);
        }

        // Before the sums begin: a call among them would keep all of them in memory.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TSimd MaskOf(int lanes) => lanes == TSimd.Width ? TSimd.Zero : TSimd.LastLanes(lanes);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(TSimd value, float* c, TSimd mask, bool isWhole)
        {
            if (isWhole) TSimd.Store(value, c);
            else TSimd.Store(TSimd.Select(mask, value, TSimd.Load(c)), c);
        }
    }

    private readonly struct TwoVectors : ITile
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void FourRows(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool accumulate, int lanes)
        {
            float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
            var w = TSimd.Width;
            TSimd s00 = Start(c, accumulate), s01 = Start(c + w, accumulate);
            TSimd s10 = Start(c1, accumulate), s11 = Start(c1 + w, accumulate);
            TSimd s20 = Start(c2, accumulate), s21 = Start(c2 + w, accumulate);
            TSimd s30 = Start(c3, accumulate), s31 = Start(c3 + w, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, a1 += aStep, a2 += aStep, a3 += aStep, b += bRow)
            {
                TSimd x0 = TSimd.Load(b), x1 = TSimd.Load(b + w);
                var v = TSimd.Broadcast(*a);
                s00 = TSimd.MultiplyAdd(v, x0, s00);
                s01 = TSimd.MultiplyAdd(v, x1, s01);
                v = TSimd.Broadcast(*a1);
                s10 = TSimd.MultiplyAdd(v, x0, s10);
                s11 = TSimd.MultiplyAdd(v, x1, s11);
                v = TSimd.Broadcast(*a2);
                s20 = TSimd.MultiplyAdd(v, x0, s20);
                s21 = TSimd.MultiplyAdd(v, x1, s21);
                v = TSimd.Broadcast(*a3);
                s30 = TSimd.MultiplyAdd(v, x0, s30);
                s31 = TSimd.MultiplyAdd(v, x1, s31);
            }

            Store(c, s00, s01);
            Store(c1, s10, s11);
            Store(c2, s20, s21);
            Store(c3, s30, s31);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void OneRow(float* a, nint aStep, float* b, nint bRow, float* c, int depth, bool accumulate, int lanes)
        {
            var w = TSimd.Width;
            TSimd s0 = Start(c, accumulate), s1 = Start(c + w, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, b += bRow)
            {
                var v = TSimd.Broadcast(*a);
                s0 = TSimd.MultiplyAdd(v, TSimd.Load(b), s0);
                s1 = TSimd.MultiplyAdd(v, TSimd.Load(b + w), s1);
            }

            Store(c, s0, s1);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(float* c, TSimd v0, TSimd v1)
        {
            TSimd.Store(v0, c);
            TSimd.Store(v1, c + TSimd.Width);
        }
    }

    private readonly struct ThreeVectors : ITile
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void FourRows(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool accumulate, int lanes)
        {
            float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
            int w = TSimd.Width, w2 = 2 * w;
            TSimd s00 = Start(c, accumulate), s01 = Start(c + w, accumulate), s02 = Start(c + w2, accumulate);
            TSimd s10 = Start(c1, accumulate), s11 = Start(c1 + w, accumulate), s12 = Start(c1 + w2, accumulate);
            TSimd s20 = Start(c2, accumulate), s21 = Start(c2 + w, accumulate), s22 = Start(c2 + w2, accumulate);
            TSimd s30 = Start(c3, accumulate), s31 = Start(c3 + w, accumulate), s32 = Start(c3 + w2, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, a1 += aStep, a2 += aStep, a3 += aStep, b += bRow)
            {
                TSimd x0 = TSimd.Load(b), x1 = TSimd.Load(b + w), x2 = TSimd.Load(b + w2);
                var v = TSimd.Broadcast(*a);
                s00 = TSimd.MultiplyAdd(v, x0, s00);
                s01 = TSimd.MultiplyAdd(v, x1, s01);
                s02 = TSimd.MultiplyAdd(v, x2, s02);
                v = TSimd.Broadcast(*a1);
                s10 = TSimd.MultiplyAdd(v, x0, s10);
                s11 = TSimd.MultiplyAdd(v, x1, s11);
                s12 = TSimd.MultiplyAdd(v, x2, s12);
                v = TSimd.Broadcast(*a2);
                s20 = TSimd.MultiplyAdd(v, x0, s20);
                s21 = TSimd.MultiplyAdd(v, x1, s21);
                s22 = TSimd.MultiplyAdd(v, x2, s22);
                v = TSimd.Broadcast(*a3);
                s30 = TSimd.MultiplyAdd(v, x0, s30);
                s31 = TSimd.MultiplyAdd(v, x1, s31);
                s32 = TSimd.MultiplyAdd(v, x2, s32);
            }

            Store(c, s00, s01, s02);
            Store(c1, s10, s11, s12);
            Store(c2, s20, s21, s22);
            Store(c3, s30, s31, s32);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void OneRow(float* a, nint aStep, float* b, nint bRow, float* c, int depth, bool accumulate, int lanes)
        {
            int w = TSimd.Width, w2 = 2 * w;
            TSimd s0 = Start(c, accumulate), s1 = Start(c + w, accumulate), s2 = Start(c + w2, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, b += bRow)
            {
                var v = TSimd.Broadcast(*a);
                s0 = TSimd.MultiplyAdd(v, TSimd.Load(b), s0);
                s1 = TSimd.MultiplyAdd(v, TSimd.Load(b + w), s1);
                s2 = TSimd.MultiplyAdd(v, TSimd.Load(b + w2), s2);
            }

            Store(c, s0, s1, s2);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(float* c, TSimd v0, TSimd v1, TSimd v2)
        {
            TSimd.Store(v0, c);
            TSimd.Store(v1, c + TSimd.Width);
            TSimd.Store(v2, c + (2 * TSimd.Width));
        }
    }

    private readonly struct FourVectors : ITile
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void FourRows(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int depth, bool accumulate, int lanes)
        {
            float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
            int w = TSimd.Width, w2 = 2 * w, w3 = 3 * w;
            TSimd s00 = Start(c, accumulate), s01 = Start(c + w, accumulate), s02 = Start(c + w2, accumulate), s03 = Start(c + w3, accumulate);
            TSimd s10 = Start(c1, accumulate), s11 = Start(c1 + w, accumulate), s12 = Start(c1 + w2, accumulate), s13 = Start(c1 + w3, accumulate);
            TSimd s20 = Start(c2, accumulate), s21 = Start(c2 + w, accumulate), s22 = Start(c2 + w2, accumulate), s23 = Start(c2 + w3, accumulate);
            TSimd s30 = Start(c3, accumulate), s31 = Start(c3 + w, accumulate), s32 = Start(c3 + w2, accumulate), s33 = Start(c3 + w3, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, a1 += aStep, a2 += aStep, a3 += aStep, b += bRow)
            {
                TSimd x0 = TSimd.Load(b), x1 = TSimd.Load(b + w), x2 = TSimd.Load(b + w2), x3 = TSimd.Load(b + w3);
                var v = TSimd.Broadcast(*a);
                s00 = TSimd.MultiplyAdd(v, x0, s00);
                s01 = TSimd.MultiplyAdd(v, x1, s01);
                s02 = TSimd.MultiplyAdd(v, x2, s02);
                s03 = TSimd.MultiplyAdd(v, x3, s03);
                v = TSimd.Broadcast(*a1);
                s10 = TSimd.MultiplyAdd(v, x0, s10);
                s11 = TSimd.MultiplyAdd(v, x1, s11);
                s12 = TSimd.MultiplyAdd(v, x2, s12);
                s13 = TSimd.MultiplyAdd(v, x3, s13);
                v = TSimd.Broadcast(*a2);
                s20 = TSimd.MultiplyAdd(v, x0, s20);
                s21 = TSimd.MultiplyAdd(v, x1, s21);
                s22 = TSimd.MultiplyAdd(v, x2, s22);
                s23 = TSimd.MultiplyAdd(v, x3, s23);
                v = TSimd.Broadcast(*a3);
                s30 = TSimd.MultiplyAdd(v, x0, s30);
                s31 = TSimd.MultiplyAdd(v, x1, s31);
                s32 = TSimd.MultiplyAdd(v, x2, s32);
                s33 = TSimd.MultiplyAdd(v, x3, s33);
            }

            Store(c, s00, s01, s02, s03);
            Store(c1, s10, s11, s12, s13);
            Store(c2, s20, s21, s22, s23);
            Store(c3, s30, s31, s32, s33);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void OneRow(float* a, nint aStep, float* b, nint bRow, float* c, int depth, bool accumulate, int lanes)
        {
            int w = TSimd.Width, w2 = 2 * w, w3 = 3 * w;
            TSimd s0 = Start(c, accumulate), s1 = Start(c + w, accumulate), s2 = Start(c + w2, accumulate), s3 = Start(c + w3, accumulate);
            for (var p = 0; p < depth; p++, a += aStep, b += bRow)
            {
                var v = TSimd.Broadcast(*a);
                s0 = TSimd.MultiplyAdd(v, TSimd.Load(b), s0);
                s1 = TSimd.MultiplyAdd(v, TSimd.Load(b + w), s1);
                s2 = TSimd.MultiplyAdd(v, TSimd.Load(b + w2), s2);
                s3 = TSimd.MultiplyAdd(v, TSimd.Load(b + w3), s3);
            }

            Store(c, s0, s1, s2, s3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store(float* c, TSimd v0, TSimd v1, TSimd v2, TSimd v3)
        {
            TSimd.Store(v0, c);
            TSimd.Store(v1, c + TSimd.Width);
            TSimd.Store(v2, c + (2 * TSimd.Width));
            TSimd.Store(v3, c + (3 * TSimd.Width));
        }
    }
}
