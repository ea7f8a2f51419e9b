using System.Globalization;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// Writes the C# method of a tensor-core kernel. Addresses and loops are C#; copies to shared memory, products and what
/// is done with their sums are PTX text, since only registers that the text names itself surely stay registers.
/// </summary>
/// <remarks>
/// A group takes one output tile after the other, rows fastest, so that groups at work together share the right
/// operand's block in the cache. The number of rows is read on the device: no launch waits for the host to know it.
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
            int rowTiles = (outputRows + {{kernel.TileRows - 1}}) / {{kernel.TileRows}};
            int tiles = rowTiles * ((outputColumns + {{kernel.TileColumns - 1}}) / {{kernel.TileColumns}});
            """);
        writer.OpenBlock("for (int tile = global::ILGPU.Grid.IdxX; tile < tiles; tile += global::ILGPU.Grid.DimX)");
        writer.WriteLines($$"""
            int tileRow = tile % rowTiles * {{kernel.TileRows}}, tileColumn = tile / rowTiles * {{kernel.TileColumns}};
            """);
        WriteProduct(writer, kernel);
        WriteEpilogue(writer, kernel);
        writer.CloseBlock();
        writer.CloseBlock();
    }

    /// <summary>The parameters of a role's method. Addresses are 64-bit numbers, leading dimensions count elements.</summary>
    public static string Parameters(TensorCoreRole role) => role switch
    {
        TensorCoreRole.Logits =>
            "long inputs, int inputStride, long weights, int weightStride, long bias, long counts, int countIndex, " +
            "int columns, int inputSize, int rowCapacity, long partials, long targetColumns, long targetLogits",
        TensorCoreRole.Gradient =>
            "long inputs, int inputStride, long weights, int weightStride, long bias, long counts, int countIndex, " +
            "int firstColumn, int columns, int inputSize, long logSumExps, long targetColumns, long scale, long gradients, int gradientStride",
        TensorCoreRole.InputGradient =>
            "long gradients, int gradientStride, long weights, int weightStride, long counts, int countIndex, " +
            "int firstColumn, int columns, int inputSize, long output, int outputStride, int accumulate",
        TensorCoreRole.WeightGradient =>
            "long gradients, int gradientStride, long inputs, int inputStride, long counts, int countIndex, " +
            "int firstColumn, int columns, int inputSize, long output, int outputStride, int accumulate",
        _ => throw new ArgumentOutOfRangeException(nameof(role)),
    };

    private static void WriteSummary(SourceWriter writer, TensorCoreKernel kernel)
    {
        var what = kernel.Role switch
        {
            TensorCoreRole.Logits => "Log-sum-exp parts and target logits of inputs times transposed weights.",
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
        var inputSize = kernel.InputSize > 0 ? Text(kernel.InputSize) : "inputSize";
        var (outputRows, outputColumns, depth) = kernel.Role switch
        {
            TensorCoreRole.InputGradient => ("rows", inputSize, "columns"),
            TensorCoreRole.WeightGradient => ("columns", inputSize, "rows"),
            _ => ("rows", "columns", inputSize),
        };

        writer.WriteLines($$"""
            int thread = global::ILGPU.Group.IdxX, lane = thread & 31, warp = thread >> 5;
            int warpRow = warp / {{kernel.WarpColumns}} * {{kernel.WarpTileRows}}, warpColumn = warp % {{kernel.WarpColumns}} * {{kernel.WarpTileColumns}};

            // Text hands a number to C# through the thread's place at the end of shared memory; an out argument would live on the stack.
            var shared = global::ILGPU.SharedMemory.GetDynamic<long>();
            int place = {{kernel.SharedBytes / 8 - kernel.Threads}} + thread;

            // Registers of the text: sums, blocks of both operands, and scratch. Then the number of rows.
            """);
        var registers = new PtxText();
        registers.Add($".reg .f32 c<{kernel.RowBlocks * kernel.ColumnBlocks * 4}>");
        registers.Add($".reg .b32 a<{kernel.RowBlocks * 4}>, b<{kernel.ColumnBlocks * 2}>");
        registers.Add($".reg .b32 base, at, size");
        registers.Add($".reg .b64 from");
        registers.Add($".reg .pred p, q");
        AddEpilogueRegisters(registers, kernel);
        registers.Add($"mov.u32 base, __dyn_shared_alloca");
        registers.Add($"ld.global.b32 size, [%0]");
        AddResult(registers, "%1");
        registers.WriteTo(writer, "counts + 4L * countIndex", "8 * place");
        writer.WriteLines($$"""
            int rows = (int)shared[place];
            int outputRows = {{outputRows}}, outputColumns = {{outputColumns}}, depth = {{depth}};
            int steps = (depth + {{TensorCoreKernel.Depth - 1}}) / {{TensorCoreKernel.Depth}};
            """);
        writer.WriteLine();
        WriteOperandEntry(writer, LeftOperand(kernel));
        WriteOperandEntry(writer, RightOperand(kernel));
    }

    // Hands register size to C#: a thread's own place needs no barrier.
    private static void AddResult(PtxText text, string place)
    {
        text.Add($"add.u32 at, base, {place}");
        text.Add($"cvt.s64.s32 from, size");
        text.Add($"st.shared.b64 [at], from");
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
