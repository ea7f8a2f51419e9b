using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>The two products that the gradient by logits goes into.</summary>
public sealed class OutputTests
{
    private const float Start = -3.25f;

    // Rows, columns of the chunk, size of the inputs, first column, elements from one row of the result to the next.
    public static TheoryData<int, int, int, int, int> Sizes => new()
    {
        { 1, 131, 64, 0, 64 },
        { 17, 257, 200, 40, 200 },
        { 130, 131, 72, 7, 73 },
        { 130, 257, 61, 0, 61 },
        { 128, 128, 256, 128, 256 },
        { 300, 3, 63, 1, 64 },
        { 0, 131, 64, 0, 64 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void InputGradient_IsThatOfTheReference(int rows, int columns, int size, int firstColumn, int stride)
    {
        var constant = CompiledKernel.Get(new("InputGradient", TensorCoreRole.InputGradient, size));
        var variable = CompiledKernel.Get(new("InputGradient", TensorCoreRole.InputGradient));
        Assert.Equal(0, CheckInputGradient(constant, rows, columns, size, firstColumn, stride, accumulate: false));
        Assert.Equal(0, CheckInputGradient(variable, rows, columns, size, firstColumn, stride, accumulate: true));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void WeightGradient_IsThatOfTheReference(int rows, int columns, int size, int firstColumn, int stride)
    {
        var constant = CompiledKernel.Get(new("WeightGradient", TensorCoreRole.WeightGradient, size));
        var variable = CompiledKernel.Get(new("WeightGradient", TensorCoreRole.WeightGradient));
        Assert.Equal(0, CheckWeightGradient(constant, rows, columns, size, firstColumn, stride, accumulate: true));
        Assert.Equal(0, CheckWeightGradient(variable, rows, columns, size, firstColumn, stride, accumulate: false));
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
        Assert.Equal(0, CheckInputGradient(CompiledKernel.Get(inputs), 140, 200, 270, 3, 270, accumulate: true));
        var weights = new TensorCoreKernel("WeightGradient", TensorCoreRole.WeightGradient, 0, tileRows, tileColumns, warpRows, warpColumns, stages);
        Assert.Equal(0, CheckWeightGradient(CompiledKernel.Get(weights), 200, 140, 270, 3, 270, accumulate: true));
    }

    internal static int CheckInputGradient(CompiledKernel kernel, int rows, int columns, int size, int firstColumn, int stride, bool accumulate)
    {
        var random = new Random(rows + columns + size);
        var gradients = new PaddedMatrix(random, rows, columns, 0.5, unusedRows: 3);
        var weights = new PaddedMatrix(random, firstColumn + columns, size, 0.25, unusedRows: 2);
        var memory = new EmulatedMemory();
        var output = memory.Allocate<float>(Started((rows + 2) * stride));
        var conflicts = kernel.Run(
            memory, 2, gradients.CopyTo(memory), gradients.Stride, weights.CopyTo(memory), weights.Stride, memory.Allocate<int>([9, rows, 1 << 30]), 1,
            firstColumn, columns, size, output, stride, accumulate ? 1 : 0);
        Compare(memory.Read<float>(output), stride, size, 0, rows, accumulate, (row, column) =>
            Enumerable.Range(0, columns).Sum(k => gradients[row, k] * weights[firstColumn + k, column]));
        return conflicts;
    }

    internal static int CheckWeightGradient(CompiledKernel kernel, int rows, int columns, int size, int firstColumn, int stride, bool accumulate)
    {
        var random = new Random(rows + columns + size);
        var gradients = new PaddedMatrix(random, rows, columns, 0.5, unusedRows: 3);
        var inputs = new PaddedMatrix(random, rows, size, 0.25, unusedRows: 2);
        var memory = new EmulatedMemory();
        var output = memory.Allocate<float>(Started((firstColumn + columns + 2) * stride));
        var conflicts = kernel.Run(
            memory, 2, gradients.CopyTo(memory), gradients.Stride, inputs.CopyTo(memory), inputs.Stride, memory.Allocate<int>([9, rows, 1 << 30]), 1,
            firstColumn, columns, size, output, stride, accumulate ? 1 : 0);
        Compare(memory.Read<float>(output), stride, size, firstColumn, columns, accumulate, (row, column) =>
            Enumerable.Range(0, rows).Sum(k => gradients[k, row - firstColumn] * inputs[k, column]));
        return conflicts;
    }

    // Padding at a row's end may be anything; rows outside of the chunk must be as they were.
    private static void Compare(float[] found, int stride, int size, int firstRow, int rows, bool accumulate, Func<int, int, double> reference)
    {
        for (var row = 0; row < found.Length / stride; row++)
        {
            var isInside = row >= firstRow && row < firstRow + rows;
            for (var column = 0; column < (isInside ? size : stride); column++)
            {
                var expected = isInside ? reference(row, column) + (accumulate ? Start : 0) : Start;
                LogitsTests.Near(expected, found[(row * stride) + column], isInside ? 1e-4 : 0, $"row {row}, column {column}");
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
