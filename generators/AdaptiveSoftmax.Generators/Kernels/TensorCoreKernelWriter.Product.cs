namespace AdaptiveSoftmax.Generators;

// The product of a tile: copies into the ring of stages, and the products of blocks.
internal static partial class TensorCoreKernelWriter
{
    // One side of the product. Extent is the variable with the matrix's size along this side, Side the tile's size.
    private sealed record Operand(
        TensorCoreKernel Kernel, string Name, string Registers, string Address, string Stride, string FirstRow,
        string Extent, string TileStart, string WarpStart, int Side, int Blocks, int Offset, bool IsTransposed, bool IsLeft)
    {
        // The bytes of a row of the block in shared memory, and how many rows the threads copy at once.
        public int RowBytes => IsTransposed ? 2 * Side : 2 * TensorCoreKernel.Depth;

        public int BlockRows => IsTransposed ? TensorCoreKernel.Depth : Side;

        public int RowsAtOnce => Kernel.Threads * 16 / RowBytes;

        // A constant contraction of whole steps needs no test of the columns.
        public bool HasWholeRows => !IsTransposed && Kernel.InputSize > 0 && Kernel.InputSize % TensorCoreKernel.Depth == 0
            && Kernel.Role is TensorCoreRole.Logits or TensorCoreRole.Gradient;
    }

    private static Operand LeftOperand(TensorCoreKernel kernel)
    {
        var source = kernel.Role is TensorCoreRole.Logits or TensorCoreRole.Gradient ? ("inputs", "inputStride") : ("gradients", "gradientStride");
        return new(kernel, "left", "a", source.Item1, source.Item2, "0", "outputRows", "tileRow", "warpRow",
            kernel.TileRows, kernel.RowBlocks, 0, kernel.IsLeftTransposed, true);
    }

    private static Operand RightOperand(TensorCoreKernel kernel)
    {
        var source = kernel.Role == TensorCoreRole.WeightGradient ? ("inputs", "inputStride", "0")
            : ("weights", "weightStride", kernel.Role == TensorCoreRole.Logits ? "0" : "firstColumn");
        return new(kernel, "right", "b", source.Item1, source.Item2, source.Item3, kernel.HasShares ? InputSize(kernel) : "outputColumns", "tileColumn", "warpColumn",
            kernel.TileColumns, kernel.ColumnBlocks, kernel.LeftBytes, kernel.IsRightTransposed, false);
    }

    // What a thread copies and reads, as far as it is the same for all tiles. Sixteen-byte pieces of a row are swapped
    // by the row's last three bits, so that neither eight rows of a piece nor eight pieces of a row share a bank.
    private static void WriteOperandEntry(SourceWriter writer, Operand operand)
    {
        var name = operand.Name;
        var pieces = operand.RowBytes / 16;
        var start = operand.Offset == 0 ? "" : Text(operand.Offset) + " + ";
        writer.WriteLines($$"""
            int {{name}}Row = thread / {{pieces}}, {{name}}Piece = thread % {{pieces}};
            int {{name}}Store = {{start}}{{name}}Row * {{operand.RowBytes}} + (({{name}}Piece ^ ({{name}}Row & 7)) << 4);
            """);

        // A quarter of the warp's lanes holds the addresses of one 8 × 8 matrix. The left operand's four matrices go
        // down the rows first, the right one's along the contraction first, as the product's registers want them.
        var inner = "((lane >> 3) & 1)";
        var outer = "(lane >> 4)";
        var along = operand.IsLeft ? outer : inner;
        var across = operand.IsLeft ? inner : outer;
        writer.WriteLines(operand.IsTransposed
            ? $"int {name}Fragment = {start}({along} * 8 + (lane & 7)) * {operand.RowBytes} + ((({operand.WarpStart} / 8 + {across}) ^ (lane & 7)) << 4);"
            : $"int {name}Fragment = {start}({operand.WarpStart} + {across} * 8 + (lane & 7)) * {operand.RowBytes} + (({along} ^ (lane & 7)) << 4);");
        writer.WriteLines($"long {name}Pass = {2 * operand.RowsAtOnce}L * {operand.Stride};");
    }

    private static void WriteProduct(SourceWriter writer, TensorCoreKernel kernel)
    {
        var (left, right) = (LeftOperand(kernel), RightOperand(kernel));
        WriteOperandTile(writer, left);
        WriteOperandTile(writer, right);

        var zero = new PtxText();
        for (var i = 0; i < kernel.RowBlocks * kernel.ColumnBlocks * 4; i++) zero.Add($"mov.f32 c{i}, 0f00000000");
        zero.WriteTo(writer);
        writer.WriteLine();

        writer.WriteLines("// Fill all stages but one.");
        writer.WriteLines("int read = 0, write = 0;");
        writer.OpenBlock($"for (int stage = 0; stage < {kernel.Stages - 1}; stage++)");
        WriteCopies(writer, "stage < steps");
        writer.WriteLines($"write += {kernel.StageBytes};");
        writer.CloseBlock();
        writer.WriteLine();

        writer.OpenBlock("for (int step = 0; step < steps; step++)");
        writer.WriteLines("// The oldest stage has arrived for all threads, and none reads the one before it any more.");
        var wait = new PtxText();
        wait.Add($"cp.async.wait_group {kernel.Stages - 2}");
        wait.WriteTo(writer);
        writer.WriteLines("global::ILGPU.Group.Barrier();");
        WriteCopies(writer, $"step + {kernel.Stages - 1} < steps");
        WriteBlockProducts(writer, kernel, left, right);
        writer.WriteLines($$"""
            read += {{kernel.StageBytes}};
            if (read == {{kernel.SharedBytes}}) read = 0;
            write += {{kernel.StageBytes}};
            if (write == {{kernel.SharedBytes}}) write = 0;
            """);
        writer.CloseBlock();
        writer.WriteLine();

        void WriteCopies(SourceWriter writer, string condition)
        {
            writer.OpenBlock($"if ({condition})");
            WriteOperandCopy(writer, left);
            WriteOperandCopy(writer, right);
            writer.CloseBlock();
            var commit = new PtxText();
            commit.Add($"cp.async.commit_group");
            commit.WriteTo(writer);
        }
    }

    private static void WriteOperandTile(SourceWriter writer, Operand operand)
    {
        var name = operand.Name;
        // Left counts rows of the matrix from this thread's first one, Bytes those of the row from its piece.
        var start = operand.Kernel.HasShares ? "start + " : "";
        writer.WriteLines(operand.IsTransposed
            ? $$"""
                long {{name}}Address = {{operand.Address}} + 2L * ({{FirstRow(operand, $"({start}{name}Row)")}} * {{operand.Stride}} + {{operand.TileStart}} + {{name}}Piece * 8);
                int {{name}}Left = depth - {{name}}Row, {{name}}Bytes = 2 * ({{operand.Extent}} - {{operand.TileStart}} - {{name}}Piece * 8);
                """
            : $$"""
                long {{name}}Address = {{operand.Address}} + 2L * ({{FirstRow(operand, $"({operand.TileStart} + {name}Row)")}} * {{operand.Stride}} + {{start}}{{name}}Piece * 8);
                int {{name}}Left = {{operand.Extent}} - {{operand.TileStart}} - {{name}}Row, {{name}}Bytes = 2 * (depth - {{name}}Piece * 8);
                """);
    }

    // Weights are the matrix whose rows start at the chunk's first column; their stride is 64-bit from here on.
    private static string FirstRow(Operand operand, string row) =>
        operand.FirstRow == "0" ? $"(long){row}" : $"((long){operand.FirstRow} + {row})";

    private static void WriteOperandCopy(SourceWriter writer, Operand operand)
    {
        var text = new PtxText();
        text.Add($"add.u32 at, base, %0");
        text.Add($"mov.u64 from, %1");
        if (!operand.HasWholeRows)
        {
            text.Add($"max.s32 size, %4, 0");
            text.Add($"min.s32 size, size, 16");
        }

        for (var row = 0; row < operand.BlockRows; row += operand.RowsAtOnce)
        {
            if (row > 0) text.Add($"add.s64 from, from, %3");
            text.Add($"setp.gt.s32 p, %2, {row}");
            text.Add($"selp.b32 b0, {(operand.HasWholeRows ? "16" : "size")}, 0, p");
            text.Add($"cp.async.cg.shared.global.L2::128B [at+{row * operand.RowBytes}], [from], 16, b0");
        }

        var name = operand.Name;
        text.WriteTo(writer, $"write + {name}Store", $"{name}Address", $"{name}Left", $"{name}Pass", $"{name}Bytes");
        writer.WriteLines(operand.IsTransposed
            ? $$"""
                {{name}}Address += {{operand.BlockRows / operand.RowsAtOnce}} * {{name}}Pass;
                {{name}}Left -= {{TensorCoreKernel.Depth}};
                """
            : $$"""
                {{name}}Address += {{2 * TensorCoreKernel.Depth}};
                {{name}}Bytes -= {{2 * TensorCoreKernel.Depth}};
                """);
    }

    private static void WriteBlockProducts(SourceWriter writer, TensorCoreKernel kernel, Operand left, Operand right)
    {
        var text = new PtxText();
        for (var part = 0; part < TensorCoreKernel.Depth / 16; part++)
        {
            AddFragments(text, left, part, "%0");
            AddFragments(text, right, part, "%1");
            for (var row = 0; row < kernel.RowBlocks; row++)
            {
                for (var column = 0; column < kernel.ColumnBlocks; column++)
                {
                    var sums = PtxText.Vector("c", ((row * kernel.ColumnBlocks) + column) * 4, 4);
                    text.Add($"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {sums}, {PtxText.Vector("a", row * 4, 4)}, {PtxText.Vector("b", column * 2, 2)}, {sums}");
                }
            }
        }

        text.WriteTo(writer, "read + leftFragment", "read + rightFragment");
    }

    // Four 8 × 8 matrices an instruction: 16 of the contraction by 16 of the tile's side.
    private static void AddFragments(PtxText text, Operand operand, int part, string fragment)
    {
        var count = operand.IsLeft ? operand.Blocks : operand.Blocks / 2;
        for (var block = 0; block < count; block++)
        {
            var registers = PtxText.Vector(operand.Registers, block * 4, 4);
            if (operand.IsTransposed)
            {
                text.Add($"xor.b32 at, {fragment}, {block << 5}");
                text.Add($"add.u32 at, at, base");
                text.Add($"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {registers}, [at+{part * 16 * operand.RowBytes}]");
                continue;
            }

            if (block == 0)
            {
                text.Add($"xor.b32 at, {fragment}, {part << 5}");
                text.Add($"add.u32 at, at, base");
            }

            text.Add($"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {registers}, [at+{block * 16 * operand.RowBytes}]");
        }
    }
}
