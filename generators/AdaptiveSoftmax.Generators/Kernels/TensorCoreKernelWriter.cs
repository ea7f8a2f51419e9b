using System.Globalization;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// Writes the C# method of a tensor-core kernel. Addresses and loops are C#; copies to shared memory, products and what
/// is done with their sums are PTX text, since only registers that the text names itself surely stay registers.
/// </summary>
/// <remarks>
/// A group takes one output tile after the other, rows fastest, so that groups at work together share the right
/// operand's block in the cache; of logits it takes strips of tiles. The number of rows is read on the device: no launch waits for the host to know it.
/// Blocks of the operands go through a ring of stages in shared memory, filled by asynchronous copies that write zeros
/// outside the matrix.
/// </remarks>
internal static partial class TensorCoreKernelWriter
{
    /// <summary>Writes the method of a kernel.</summary>
    /// <param name="writer">Takes the text.</param>
    /// <param name="kernel">The kernel.</param>
    /// <exception cref="ArgumentException">The kernel's sizes do not fit each other.</exception>
    public static void Write(SourceWriter writer, TensorCoreKernel kernel)
    {
        kernel.Validate();
        WriteSummary(writer, kernel);
        writer.OpenBlock($"public static void {kernel.Name}({Parameters(kernel.Role)})");
        WriteEntry(writer, kernel);
        writer.WriteLine();
        writer.WriteLines($$"""
            int rowTiles = (outputRows + {{kernel.TileRows - 1}}) / {{kernel.TileRows}}, columnTiles = (outputColumns + {{kernel.TileColumns - 1}}) / {{kernel.TileColumns}};
            """);
        if (kernel.Role == TensorCoreRole.Logits)
        {
            WriteStrips(writer, kernel);
        }
        else
        {
            writer.WriteLines($"int tiles = rowTiles * columnTiles{(kernel.HasShares ? " * shares" : "")};");
            writer.OpenBlock("for (int tile = global::ILGPU.Grid.IdxX; tile < tiles; tile += global::ILGPU.Grid.DimX)");
            WriteTile(writer, kernel);
            WriteProduct(writer, kernel);
            WriteEpilogue(writer, kernel);
            writer.CloseBlock();
        }

        writer.CloseBlock();
    }

    /// <summary>The parameters of a role's method. Addresses are 64-bit numbers, leading dimensions count elements.</summary>
    public static string Parameters(TensorCoreRole role) => role switch
    {
        TensorCoreRole.Logits =>
            "long inputs, int inputStride, long weights, int weightStride, long bias, long plan, " +
            "int columns, int inputSize, int tilesPerStrip, int rowCapacity, long partials, long targetColumns, long targetLogits",
        TensorCoreRole.Gradient =>
            "long inputs, int inputStride, long weights, int weightStride, long bias, long plan, " +
            "int pass, int allColumns, int inputSize, long logSumExps, long targetColumns, long scale, long gradients",
        TensorCoreRole.InputGradient =>
            "long gradients, long weights, int weightStride, long plan, " +
            "int pass, int allColumns, int inputSize, long output, int outputStride, long outputShares",
        TensorCoreRole.WeightGradient =>
            "long gradients, long inputs, int inputStride, long plan, " +
            "int pass, int allColumns, int inputSize, long output, int outputStride, long hasOutput, long outputShares, int shares",
        _ => throw new ArgumentOutOfRangeException(nameof(role)),
    };

    private static void WriteSummary(SourceWriter writer, TensorCoreKernel kernel)
    {
        var what = kernel.Role switch
        {
            TensorCoreRole.Logits => "Maxima, sums of exponentials and target logits of inputs times transposed weights.",
            TensorCoreRole.Gradient => "The loss's gradient by a chunk of logits, which are computed again.",
            TensorCoreRole.InputGradient => "The gradient by the inputs from a chunk of the gradient by logits.",
            _ => "The gradient by a chunk of the weights.",
        };
        writer.WriteLines($$"""
            /// <summary>
            /// {{what}} Tiles of {{kernel.TileRows}} × {{kernel.TileColumns}}; launch with groups of {{kernel.Threads}} threads and {{kernel.SharedBytes}} bytes of dynamic shared memory.
            /// </summary>
            """);
    }

    private static void WriteEntry(SourceWriter writer, TensorCoreKernel kernel)
    {
        writer.WriteLines($$"""
            int thread = global::ILGPU.Group.IdxX, lane = thread & 31, warp = thread >> 5;
            int warpRow = warp / {{kernel.WarpColumns}} * {{kernel.WarpTileRows}}, warpColumn = warp % {{kernel.WarpColumns}} * {{kernel.WarpTileColumns}};

            // Text hands a number to C# through the thread's places at the end of shared memory; an out argument would live on the stack.
            global::ILGPU.ArrayView<long> shared = global::ILGPU.SharedMemory.GetDynamic<long>();
            int place = {{kernel.SharedBytes / 8 - kernel.Threads}} + thread;

            // Registers of the text: sums, blocks of both operands, and scratch. Then what the plan says.
            """);
        var registers = new PtxText();
        registers.Add($".reg .f32 c<{kernel.RowBlocks * kernel.ColumnBlocks * 4}>");
        registers.Add($".reg .b32 a<{kernel.RowBlocks * 4}>, b<{kernel.ColumnBlocks * 2}>");
        registers.Add($".reg .b32 base, at, size");
        registers.Add($".reg .b64 from");
        registers.Add($".reg .pred p, q");
        AddEpilogueRegisters(registers, kernel);
        registers.Add($"mov.u32 base, __dyn_shared_alloca");
        var numbers = Numbers(kernel.Role);
        var place = numbers.Select((_, i) => i == 0 ? "place" : $"place - {Text(i * kernel.Threads)}").Reverse().ToArray();
        for (var i = 0; i < numbers.Length; i++)
        {
            registers.Add($"ld.global.b32 size, [{numbers[i].Address}]");
            AddResult(registers, "%1", 8 * i * kernel.Threads);
        }

        registers.WriteTo(writer, ["plan", $"8 * ({place[0]})", .. kernel.Role == TensorCoreRole.WeightGradient ? ["hasOutput"] : Array.Empty<string>()]);
        for (var i = 0; i < numbers.Length; i++) writer.WriteLines($"int {numbers[i].Name} = (int)shared[{place[i]}];");
        WriteSizes(writer, kernel);
        writer.WriteLine();
        WriteOperandEntry(writer, LeftOperand(kernel));
        WriteOperandEntry(writer, RightOperand(kernel));
    }

    // What a role reads on the device: of the cluster's plan, and whether there is an output to add to.
    private static (string Name, string Address)[] Numbers(TensorCoreRole role) => role switch
    {
        TensorCoreRole.Logits => [("rows", "%0+4")],
        TensorCoreRole.Gradient => [("rows", "%0+4"), ("chunk", "%0+8")],
        TensorCoreRole.InputGradient => [("rows", "%0+4"), ("chunk", "%0+8"), ("firstRow", "%0"), ("shares", "%0+12")],
        _ => [("rows", "%0+4"), ("chunk", "%0+8"), ("accumulate", "%2")],
    };

    // Hands register size to C#: a thread's own place needs no barrier. The places of all numbers at the start are within
    // the last stage, which is filled behind the first barrier.
    private static void AddResult(PtxText text, string place, int offset = 0)
    {
        text.Add($"add.u32 at, base, {place}");
        text.Add($"cvt.s64.s32 from, size");
        text.Add($"st.shared.b64 [at+{offset}], from");
    }

    private static void WriteSizes(SourceWriter writer, TensorCoreKernel kernel)
    {
        var inputSize = InputSize(kernel);
        if (kernel.Role != TensorCoreRole.Logits)
        {
            // In 64 bits: a pass that has no work may begin far behind the last column.
            writer.WriteLines($$"""
                int columns = (long)chunk * pass < allColumns ? global::System.Math.Min(chunk, allColumns - chunk * pass) : 0;
                int firstColumn = chunk * pass, gradientStride = chunk;
                """);
        }

        // Matrices in float32 are written with their padding, which the operands' padding leaves at zeros.
        var padded = kernel.InputSize > 0 ? Text((kernel.InputSize + 7) / 8 * 8) : "(inputSize + 7) / 8 * 8";
        var (outputRows, outputColumns, depth) = kernel.Role switch
        {
            TensorCoreRole.InputGradient => ("columns > 0 ? rows : 0", padded, "columns"),
            TensorCoreRole.WeightGradient => ("rows > 0 ? columns : 0", padded, "rows"),
            _ => ("rows", "columns", inputSize),
        };
        writer.WriteLines($"int outputRows = {outputRows}, outputColumns = {outputColumns};");
        writer.WriteLines(kernel.HasShares
            ? $"int share = (({depth} + shares - 1) / shares + {TensorCoreKernel.Depth - 1}) / {TensorCoreKernel.Depth} * {TensorCoreKernel.Depth};"
            : $$"""
            int depth = {{depth}};
            int steps = (depth + {{TensorCoreKernel.Depth - 1}}) / {{TensorCoreKernel.Depth}};
            """);
    }

    // A group takes the tiles of a strip, which have the same rows, and keeps a row's maximum and sum in a thread's registers.
    private static void WriteStrips(SourceWriter writer, TensorCoreKernel kernel)
    {
        writer.WriteLines("int strips = (columnTiles + tilesPerStrip - 1) / tilesPerStrip;");
        writer.OpenBlock("for (int item = global::ILGPU.Grid.IdxX; item < rowTiles * strips; item += global::ILGPU.Grid.DimX)");
        writer.WriteLines($$"""
            int tileRow = item % rowTiles * {{kernel.TileRows}}, strip = item / rowTiles;
            int end = global::System.Math.Min(columnTiles, (strip + 1) * tilesPerStrip);
            """);
        WriteStripStart(writer);
        writer.OpenBlock("for (int tile = strip * tilesPerStrip; tile < end; tile++)");
        writer.WriteLines($"int tileColumn = tile * {Text(kernel.TileColumns)};");
        WriteProduct(writer, kernel);
        WriteEpilogue(writer, kernel);
        writer.CloseBlock();
        WriteStripEnd(writer, kernel);
        writer.CloseBlock();
    }

    private static void WriteTile(SourceWriter writer, TensorCoreKernel kernel)
    {
        if (!kernel.HasShares)
        {
            writer.WriteLines($$"""
                int tileRow = tile % rowTiles * {{kernel.TileRows}}, tileColumn = tile / rowTiles * {{kernel.TileColumns}};
                """);
            return;
        }

        // A share past the end has no steps, and its sums are zeros.
        writer.WriteLines($$"""
            int tileRow = tile % rowTiles * {{kernel.TileRows}}, tileColumn = tile / rowTiles % columnTiles * {{kernel.TileColumns}};
            int index = tile / rowTiles / columnTiles, start = index * share;
            int depth = global::System.Math.Min(share, {{(kernel.Role == TensorCoreRole.InputGradient ? "columns" : "rows")}} - start);
            int steps = (depth + {{TensorCoreKernel.Depth - 1}}) / {{TensorCoreKernel.Depth}};
            """);
    }

    private static string InputSize(TensorCoreKernel kernel) => kernel.InputSize > 0 ? Text(kernel.InputSize) : "inputSize";

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
