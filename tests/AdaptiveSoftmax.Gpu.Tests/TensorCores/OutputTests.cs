using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>The two products that the gradient by logits goes into.</summary>
public sealed class OutputTests
{
    private const float Start = -3.25f;
    private const int First = 3;

    // Rows, columns of the chunk, size of the inputs, the chunk's number, shares of the sums.
    public static TheoryData<int, int, int, int, int> Sizes => new()
    {
        { 1, 131, 64, 0, 1 },
        { 17, 257, 200, 1, 1 },
        { 130, 131, 72, 2, 1 },
        { 130, 257, 61, 0, 1 },
        { 128, 128, 256, 1, 1 },
        { 300, 3, 63, 1, 1 },
        { 0, 131, 64, 0, 1 },
        // Shares that end within a step, within a tile, and without anything to sum.
        { 1, 1000, 64, 0, 5 },
        { 130, 257, 61, 0, 2 },
        { 130, 131, 72, 1, 3 },
        { 257, 260, 64, 0, 4 },
        { 17, 3, 130, 1, 6 },
        { 1, 8, 8, 0, 64 },
        { 0, 131, 64, 1, 7 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void InputGradient_IsThatOfTheReference(int rows, int columns, int size, int pass, int shares)
    {
        var constant = CompiledKernel.Get(new("InputGradient", TensorCoreRole.InputGradient, size));
        var variable = CompiledKernel.Get(new("InputGradient", TensorCoreRole.InputGradient));
        Assert.Equal(0, CheckInputGradient(constant, rows, columns, size, 0, shares));
        Assert.Equal(0, CheckInputGradient(variable, rows, columns, size, pass, shares));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void WeightGradient_IsThatOfTheReference(int rows, int columns, int size, int pass, int shares)
    {
        var constant = CompiledKernel.Get(new("WeightGradient", TensorCoreRole.WeightGradient, size));
        var variable = CompiledKernel.Get(new("WeightGradient", TensorCoreRole.WeightGradient));
        Assert.Equal(0, CheckWeightGradient(constant, rows, columns, size, pass, shares, accumulate: true));
        Assert.Equal(0, CheckWeightGradient(variable, rows, columns, size, pass, shares, accumulate: false));
    }

    [Theory]
    [InlineData(128, 256, 2, 4, 3)]
    [InlineData(128, 128, 2, 2, 3)]
    [InlineData(64, 64, 2, 2, 4)]
    [InlineData(64, 128, 1, 4, 2)]
    [InlineData(256, 128, 4, 2, 2)]
    [InlineData(128, 64, 4, 2, 3)]
    public void OtherTiles_GiveTheSame(int tileRows, int tileColumns, int warpRows, int warpColumns, int stages)
    {
        var inputs = new TensorCoreKernel("InputGradient", TensorCoreRole.InputGradient, 0, tileRows, tileColumns, warpRows, warpColumns, stages);
        Assert.Equal(0, CheckInputGradient(CompiledKernel.Get(inputs), 140, 200, 270, 1, 1));
        Assert.Equal(0, CheckInputGradient(CompiledKernel.Get(inputs), 140, 200, 270, 1, 3));
        var weights = new TensorCoreKernel("WeightGradient", TensorCoreRole.WeightGradient, 0, tileRows, tileColumns, warpRows, warpColumns, stages);
        Assert.Equal(0, CheckWeightGradient(CompiledKernel.Get(weights), 200, 140, 270, 1, 1, accumulate: true));
        Assert.Equal(0, CheckWeightGradient(CompiledKernel.Get(weights), 200, 140, 270, 0, 3, accumulate: true));
    }

    // A product of the two numbers that does not fit 32 bits would look like the first column.
    [Theory]
    [InlineData(136, 1, 131)]
    [InlineData(1 << 20, 1 << 12, 900_000)]
    public void PassBehindTheLastColumn_WritesNothing(int chunk, int pass, int allColumns)
    {
        var memory = new EmulatedMemory { IsWrittenOnce = true };
        var plan = LogitsTests.Plan(memory, 5, chunk, First, splits: 2);
        CompiledKernel.Get(new("InputGradient", TensorCoreRole.InputGradient)).Run(memory, 1, 0UL, 0UL, 64, plan, pass, allColumns, 64, 0UL, 64, 0UL);
        CompiledKernel.Get(new("WeightGradient", TensorCoreRole.WeightGradient)).Run(
            memory, 1, 0UL, 0UL, 64, plan, pass, allColumns, 64, 0UL, 64, memory.Allocate<int>([1]), 0UL, 1);
    }

    internal static int CheckInputGradient(CompiledKernel kernel, int rows, int columns, int size, int pass, int shares)
    {
        var (chunk, all) = Chunk(columns, pass);
        var random = new Random(rows + columns + size);
        var gradients = new PaddedMatrix(random, rows, columns, 0.5, unusedRows: 3);
        var weights = new PaddedMatrix(random, all, size, 0.25, unusedRows: 2);
        var memory = new EmulatedMemory { IsWrittenOnce = true };
        var stride = weights.Stride + 8;
        var output = memory.Allocate<float>(Started((First + rows + 2) * stride));
        var outputShares = memory.Allocate<float>(Started(((shares * rows) + 2) * stride));
        var conflicts = kernel.Run(
            memory, 2, gradients.CopyTo(memory), weights.CopyTo(memory), weights.Stride, LogitsTests.Plan(memory, rows, chunk, First, shares),
            pass, all, size, output, stride, outputShares);
        var area = new Area(weights.Stride, stride, rows, shares, First, IsAdded: pass > 0);
        Compare(memory, output, outputShares, area, columns, (row, column, k) => column < size ? gradients[row, k] * weights[(pass * chunk) + k, column] : 0);
        return conflicts;
    }

    internal static int CheckWeightGradient(CompiledKernel kernel, int rows, int columns, int size, int pass, int shares, bool accumulate)
    {
        var (chunk, all) = Chunk(columns, pass);
        var random = new Random(rows + columns + size);
        var gradients = new PaddedMatrix(random, rows, columns, 0.5, unusedRows: 3);
        var inputs = new PaddedMatrix(random, rows, size, 0.25, unusedRows: 2);
        var memory = new EmulatedMemory { IsWrittenOnce = true };
        var stride = inputs.Stride + 8;
        var output = memory.Allocate<float>(Started((all + 2) * stride));
        var outputShares = memory.Allocate<float>(Started(((shares * columns) + 2) * stride));
        var conflicts = kernel.Run(
            memory, 2, gradients.CopyTo(memory), inputs.CopyTo(memory), inputs.Stride, LogitsTests.Plan(memory, rows, chunk),
            pass, all, size, output, stride, memory.Allocate<int>([accumulate ? 1 : 0]), outputShares, shares);
        var area = new Area(inputs.Stride, stride, rows == 0 ? 0 : columns, shares, pass * chunk, IsAdded: accumulate && shares == 1);
        Compare(memory, output, outputShares, area, rows, (row, column, k) => column < size ? gradients[k, row] * inputs[k, column] : 0);
        return conflicts;
    }

    // Only the last chunk can end before its stride, and is then not followed by others.
    private static (int Chunk, int All) Chunk(int columns, int pass)
    {
        var chunk = (columns + 7) / 8 * 8;
        return (chunk, (pass * chunk) + columns + (columns == chunk ? 5 : 0));
    }

    // What a kernel writes: whole rows of a width, from the first one of the output on, or as many for each share.
    private sealed record Area(int Width, int Stride, int Rows, int Shares, int First, bool IsAdded);

    // Everything else must be as it was.
    private static void Compare(EmulatedMemory memory, ulong output, ulong outputShares, Area area, int depth, Func<int, int, int, double> product)
    {
        var (result, shares) = (memory.Read<float>(output), memory.Read<float>(outputShares));
        var share = ((depth + area.Shares - 1) / area.Shares + 63) / 64 * 64;
        for (var row = 0; row < result.Length / area.Stride; row++)
            CompareRow(result, row, area.Shares == 1 ? row - area.First : -1, 0, depth);
        for (var row = 0; row < shares.Length / area.Stride; row++)
        {
            var index = area.Rows == 0 || area.Shares == 1 ? area.Shares : row / area.Rows;
            CompareRow(shares, row, index < area.Shares ? row % area.Rows : -1, index * share, Math.Min(depth, (index + 1) * share));
        }

        void CompareRow(float[] found, int row, int source, int from, int to)
        {
            for (var column = 0; column < area.Stride; column++)
            {
                var isInside = source >= 0 && source < area.Rows && column < area.Width;
                var sum = 0d;
                for (var k = from; isInside && k < to; k++) sum += product(source, column, k);
                LogitsTests.Near(isInside ? sum + (area.IsAdded ? Start : 0) : Start, found[(row * area.Stride) + column], isInside ? 1e-4 : 0, $"row {row}, column {column}");
            }
        }
    }

    private static float[] Started(int count)
    {
        var values = new float[count];
        Array.Fill(values, Start);
        return values;
    }
}
