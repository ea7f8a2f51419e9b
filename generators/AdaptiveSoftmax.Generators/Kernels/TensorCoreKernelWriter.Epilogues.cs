namespace AdaptiveSoftmax.Generators;

// What becomes of a tile's sums. Sum c[((i · columnBlocks + j) · 2 + h) · 2 + q] of a lane stands in row
// 16 i + 8 h + lane / 4 and column 8 j + q + 2 (lane % 4) of the warp's part.
internal static partial class TensorCoreKernelWriter
{
    private const string Log2E = "0f3FB8AA3B";
    private const string MinusLog2E = "0fBFB8AA3B";
    private const string MinusInfinity = "0fFF800000";

    // Where a maximum starts: below all logits, and finite, so that a difference from it never is infinity less infinity.
    private const string Lowest = "0fF149F2CA";

    private static void AddEpilogueRegisters(PtxText text, TensorCoreKernel kernel)
    {
        text.Add($".reg .f32 u, v, w, x, y");
        if (kernel.Role == TensorCoreRole.Logits) text.Add($".reg .f32 top, total");
        if (kernel.Role is TensorCoreRole.Logits or TensorCoreRole.Gradient)
            text.Add($".reg .b32 d<{kernel.RowBlocks * 2}>");
    }

    private static void WriteEpilogue(SourceWriter writer, TensorCoreKernel kernel)
    {
        writer.WriteLines("// All warps have read the last stage: shared memory is free.");
        writer.WriteLines("global::ILGPU.Group.Barrier();");
        writer.WriteLines($$"""
            int row = tileRow + warpRow + (lane >> 2), column = tileColumn + warpColumn + (lane & 3) * 2;
            int rowsLeft = outputRows - row, columnsLeft = outputColumns - column;
            """);
        switch (kernel.Role)
        {
            case TensorCoreRole.Logits:
                WriteBias(writer, kernel, "column");
                WriteTargets(writer, kernel, "column");
                WriteTargetLogits(writer, kernel);
                WriteLogSumExps(writer, kernel);
                break;
            case TensorCoreRole.Gradient:
                WriteBias(writer, kernel, "firstColumn + column");
                WriteTargets(writer, kernel, "firstColumn + column");
                WriteGradients(writer, kernel);
                WriteStagedTile(writer, kernel);
                break;
            default:
                WriteOutput(writer, kernel);
                return;
        }

        writer.WriteLines("global::ILGPU.Group.Barrier();");
    }

    private static int Sum(TensorCoreKernel kernel, int rowBlock, int half, int columnBlock, int odd) =>
        (((rowBlock * kernel.ColumnBlocks) + columnBlock) * 4) + (half * 2) + odd;

    private static IEnumerable<(int Index, int Row, int[] Sums)> Rows(TensorCoreKernel kernel)
    {
        for (var block = 0; block < kernel.RowBlocks; block++)
        {
            for (var half = 0; half < 2; half++)
            {
                var sums = new int[kernel.ColumnBlocks * 2];
                for (var column = 0; column < sums.Length; column++) sums[column] = Sum(kernel, block, half, column / 2, column % 2);
                yield return ((block * 2) + half, (block * 16) + (half * 8), sums);
            }
        }
    }

    // The column of a lane's n-th sum in a row, less that of its first.
    private static int ColumnOffset(int index) => (index / 2 * 8) + (index % 2);

    // Adds the bias; columns past the last one become minus infinity and so add nothing to any sum of exponentials.
    private static void WriteBias(SourceWriter writer, TensorCoreKernel kernel, string column)
    {
        var text = new PtxText();
        text.Add($"setp.ne.s64 q, %2, 0");
        for (var index = 0; index < kernel.ColumnBlocks * 2; index++)
        {
            text.Add($"setp.gt.s32 p, %1, {ColumnOffset(index)}");
            text.Add($"selp.f32 v, 0f00000000, {MinusInfinity}, p");
            text.Add($"and.pred p, p, q");
            text.Add($"@p ld.global.nc.f32 v, [%0+{4 * ColumnOffset(index)}]");
            foreach (var row in Rows(kernel)) text.Add($"add.f32 c{row.Sums[index]}, c{row.Sums[index]}, v");
        }

        writer.OpenBlock($"if (bias != 0 || tileColumn + {kernel.TileColumns} > outputColumns)");
        text.WriteTo(writer, $"bias + 4L * ({column})", "columnsLeft", "bias");
        writer.CloseBlock();
    }

    // Registers d: how far a row's target is right of the lane's first column; -1 or less where it is no column of the
    // matrix. Most warps hold no target, and hasTarget spares the search.
    private static void WriteTargets(SourceWriter writer, TensorCoreKernel kernel, string column)
    {
        var text = new PtxText();
        text.Add($"mov.u32 size, 0");
        foreach (var row in Rows(kernel))
        {
            text.Add($"setp.gt.s32 p, %0, {row.Row}");
            text.Add($"mov.u32 d{row.Index}, -1");
            text.Add($"@p ld.global.b32 d{row.Index}, [%1+{4 * row.Row}]");
        }

        foreach (var row in Rows(kernel))
        {
            text.Add($"sub.s32 d{row.Index}, d{row.Index}, %2");
            text.Add($"setp.ge.s32 q, d{row.Index}, %3");
            text.Add($"@q mov.u32 d{row.Index}, -1");
            text.Add($"setp.lt.u32 p, d{row.Index}, {kernel.WarpTileColumns}");
            text.Add($"@p mov.u32 size, 1");
        }

        // The same answer for the whole warp: the compiler takes what text has written for uniform.
        text.Add($"setp.ne.s32 p, size, 0");
        text.Add($"vote.sync.any.pred p, p, 0xffffffff");
        text.Add($"selp.b32 size, 1, 0, p");
        AddResult(text, "%4");
        text.WriteTo(writer, "rowsLeft", "targetColumns + 4L * row", column, "columnsLeft", "8 * place");
        writer.WriteLines("bool hasTarget = (int)shared[place] != 0;");
    }

    private static void WriteTargetLogits(SourceWriter writer, TensorCoreKernel kernel)
    {
        var text = new PtxText();
        foreach (var row in Rows(kernel))
        {
            for (var index = 0; index < row.Sums.Length; index++)
            {
                text.Add($"setp.eq.s32 p, d{row.Index}, {ColumnOffset(index)}");
                text.Add($"@p st.global.f32 [%0+{4 * row.Row}], c{row.Sums[index]}");
            }
        }

        writer.OpenBlock("if (hasTarget)");
        text.WriteTo(writer, "targetLogits + 4L * row");
        writer.CloseBlock();
    }

    // Maximum and sum of a row: in a lane, over the four lanes of the row, over the warps through shared memory, and over
    // the tiles of the strip.
    private static void WriteLogSumExps(SourceWriter writer, TensorCoreKernel kernel)
    {
        var text = new PtxText();
        text.Add($"add.u32 at, base, %0");
        text.Add($"setp.eq.s32 p, %1, 0");
        foreach (var row in Rows(kernel))
        {
            text.Add($"mov.f32 u, {Lowest}");
            foreach (var sum in row.Sums) text.Add($"max.f32 u, u, c{sum}");
            foreach (var distance in new[] { 1, 2 })
            {
                text.Add($"shfl.sync.bfly.b32 v, u, {distance}, 31, 0xffffffff");
                text.Add($"max.f32 u, u, v");
            }

            text.Add($"mul.f32 w, u, {MinusLog2E}");
            text.Add($"mov.f32 x, 0f00000000");
            foreach (var sum in row.Sums)
            {
                text.Add($"fma.rn.f32 v, c{sum}, {Log2E}, w");
                text.Add($"ex2.approx.ftz.f32 v, v");
                text.Add($"add.f32 x, x, v");
            }

            foreach (var distance in new[] { 1, 2 })
            {
                text.Add($"shfl.sync.bfly.b32 v, x, {distance}, 31, 0xffffffff");
                text.Add($"add.f32 x, x, v");
            }

            text.Add($"@p st.shared.v2.f32 [at+{8 * row.Row}], {PtxText.Pair("u", "x")}");
        }

        text.WriteTo(writer, $"8 * (warp % {kernel.WarpColumns} * {kernel.TileRows} + warpRow + (lane >> 2))", "lane & 3");
        writer.WriteLines("global::ILGPU.Group.Barrier();");

        var combine = new PtxText();
        combine.Add($"add.u32 at, base, %0");
        for (var warp = 0; warp < kernel.WarpColumns; warp++)
        {
            combine.Add($"ld.shared.v2.f32 {PtxText.Pair("v", "y")}, [at+{8 * warp * kernel.TileRows}]");
            combine.Add($"max.f32 w, top, v");
            combine.Add($"sub.f32 u, top, w");
            combine.Add($"mul.f32 u, u, {Log2E}");
            combine.Add($"ex2.approx.ftz.f32 u, u");
            combine.Add($"sub.f32 v, v, w");
            combine.Add($"mul.f32 v, v, {Log2E}");
            combine.Add($"ex2.approx.ftz.f32 v, v");
            combine.Add($"mul.f32 total, total, u");
            combine.Add($"fma.rn.f32 total, y, v, total");
            combine.Add($"mov.f32 top, w");
        }

        // Whole warps, so that all lanes of a warp always go the same way.
        writer.OpenBlock($"if (thread < {kernel.TileRows})");
        combine.WriteTo(writer, "8 * thread");
        writer.CloseBlock();
    }

    private static void WriteStripStart(SourceWriter writer)
    {
        var text = new PtxText();
        text.Add($"mov.f32 top, {Lowest}");
        text.Add($"mov.f32 total, 0f00000000");
        text.WriteTo(writer);
    }

    private static void WriteStripEnd(SourceWriter writer, TensorCoreKernel kernel)
    {
        var text = new PtxText();
        text.Add($"setp.gt.s32 p, %1, 0");
        text.Add($"@p st.global.v2.f32 [%0], {PtxText.Pair("top", "total")}");
        writer.OpenBlock($"if (thread < {kernel.TileRows})");
        text.WriteTo(writer, "partials + 8L * ((long)strip * rowCapacity + tileRow + thread)", "outputRows - tileRow - thread");
        writer.CloseBlock();
    }
}
