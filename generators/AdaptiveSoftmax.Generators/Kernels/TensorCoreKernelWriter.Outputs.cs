namespace AdaptiveSoftmax.Generators;

// Epilogues that write a matrix.
internal static partial class TensorCoreKernelWriter
{
    // Probability less one for the target, times the scale of the loss.
    private static void WriteGradients(SourceWriter writer, TensorCoreKernel kernel)
    {
        var exponentials = new PtxText();
        foreach (var row in Rows(kernel))
        {
            exponentials.Add($"setp.gt.s32 p, %0, {row.Row}");
            exponentials.Add($"mov.f32 v, 0f00000000");
            exponentials.Add($"@p ld.global.f32 v, [%1+{4 * row.Row}]");
            exponentials.Add($"mul.f32 v, v, {MinusLog2E}");
            foreach (var sum in row.Sums)
            {
                exponentials.Add($"fma.rn.f32 c{sum}, c{sum}, {Log2E}, v");
                exponentials.Add($"ex2.approx.ftz.f32 c{sum}, c{sum}");
            }
        }

        exponentials.WriteTo(writer, "rowsLeft", "logSumExps + 4L * row");

        var targets = new PtxText();
        foreach (var row in Rows(kernel))
        {
            for (var index = 0; index < row.Sums.Length; index++)
            {
                targets.Add($"setp.eq.s32 p, d{row.Index}, {ColumnOffset(index)}");
                targets.Add($"@p add.f32 c{row.Sums[index]}, c{row.Sums[index]}, 0fBF800000");
            }
        }

        writer.OpenBlock("if (hasTarget)");
        targets.WriteTo(writer);
        writer.CloseBlock();
    }

    // A lane has two neighbours of a row at a time: the tile goes through shared memory, swizzled as the operands are,
    // and from there in pieces of 16 bytes.
    private static void WriteStagedTile(SourceWriter writer, TensorCoreKernel kernel)
    {
        var rowBytes = 2 * kernel.TileColumns;
        var store = new PtxText();
        store.Add($"ld.global.f32 w, [%1]");
        for (var block = 0; block < kernel.ColumnBlocks; block++)
        {
            store.Add($"xor.b32 at, %0, {block << 4}");
            store.Add($"add.u32 at, at, base");
            foreach (var row in Rows(kernel))
            {
                store.Add($"mul.f32 u, c{row.Sums[block * 2]}, w");
                store.Add($"mul.f32 v, c{row.Sums[(block * 2) + 1]}, w");
                store.Add($"cvt.rn.bf16x2.f32 size, v, u");
                store.Add($"st.shared.b32 [at+{row.Row * rowBytes}], size");
            }
        }

        store.WriteTo(writer, $"(warpRow + (lane >> 2)) * {rowBytes} + (((warpColumn >> 3) ^ (lane >> 2)) << 4) + (lane & 3) * 4", "scale");
        writer.WriteLines("global::ILGPU.Group.Barrier();");

        var pieces = kernel.TileColumns / 8;
        var rowsAtOnce = kernel.Threads / pieces;
        var copy = new PtxText();
        copy.Add($"add.u32 at, base, %0");
        copy.Add($"mov.u64 from, %1");
        copy.Add($"setp.gt.s32 q, %4, 0");
        for (var row = 0; row < kernel.TileRows; row += rowsAtOnce)
        {
            if (row > 0) copy.Add($"add.s64 from, from, %3");
            copy.Add($"setp.gt.and.s32 p, %2, {row}, q");
            copy.Add($"ld.shared.v4.b32 {PtxText.Vector("a", 0, 4)}, [at+{row * rowBytes}]");
            copy.Add($"@p st.global.v4.b32 [from], {PtxText.Vector("a", 0, 4)}");
        }

        writer.WriteLines($$"""
            int pieceRow = thread / {{pieces}}, piece = thread % {{pieces}};
            """);
        copy.WriteTo(
            writer,
            $"pieceRow * {rowBytes} + ((piece ^ (pieceRow & 7)) << 4)",
            "gradients + 2L * ((long)(tileRow + pieceRow) * gradientStride + tileColumn + piece * 8)",
            "outputRows - tileRow - pieceRow",
            $"{2 * rowsAtOnce}L * gradientStride",
            "outputColumns - tileColumn - piece * 8");
    }

    // Two neighbours at a time: rows start at multiples of 32 bytes.
    private static void WriteOutput(SourceWriter writer, TensorCoreKernel kernel)
    {
        // A single share is the result; the shares of several come one after the other, for another kernel to add.
        writer.WriteLines(kernel.Role == TensorCoreRole.InputGradient
            ? """
              bool isAdded = pass > 0;
              long result = shares == 1 ? output : outputShares, resultRow = (shares == 1 ? firstRow : (long)index * rows) + row;
              """
            : """
              bool isAdded = accumulate != 0 && shares == 1;
              long result = shares == 1 ? output : outputShares, resultRow = (shares == 1 ? firstColumn : (long)index * columns) + row;
              """);
        writer.WriteLines("long element = result + 4L * (resultRow * outputStride + column), rows8 = 32L * outputStride;");
        var (load, store) = (new PtxText(), new PtxText());
        foreach (var text in new[] { load, store }) text.Add($"mov.u64 from, %0");
        foreach (var row in Rows(kernel))
        {
            if (row.Row > 0)
            {
                foreach (var text in new[] { load, store }) text.Add($"add.s64 from, from, %3");
            }

            foreach (var text in new[] { load, store }) text.Add($"setp.gt.s32 q, %1, {row.Row}");
            for (var index = 0; index < row.Sums.Length; index += 2)
            {
                var offset = ColumnOffset(index);
                foreach (var text in new[] { load, store }) text.Add($"setp.gt.and.s32 p, %2, {offset}, q");
                load.Add($"mov.f32 u, 0f00000000");
                load.Add($"mov.f32 v, 0f00000000");
                load.Add($"@p ld.global.v2.f32 {PtxText.Pair("u", "v")}, [from+{4 * offset}]");
                load.Add($"add.f32 c{row.Sums[index]}, c{row.Sums[index]}, u");
                load.Add($"add.f32 c{row.Sums[index + 1]}, c{row.Sums[index + 1]}, v");
                store.Add($"@p st.global.v2.f32 [from+{4 * offset}], {PtxText.Vector("c", row.Sums[index], 2)}");
            }
        }

        string[] arguments = ["element", "rowsLeft", "columnsLeft", "rows8"];
        writer.OpenBlock("if (isAdded)");
        load.WriteTo(writer, arguments);
        writer.CloseBlock();
        store.WriteTo(writer, arguments);
    }
}
