using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

public sealed class GradientTests
{
    private const ushort Untouched = 0x4242;
    private const float Scale = 0.375f;

    // Logits [rows, columns] are computed again for the columns of a chunk: the first, a middle or the last one.
    [Theory]
    [InlineData(1, 131, 64, 0, true, false)]
    [InlineData(17, 257, 200, 1, true, true)]
    [InlineData(130, 131, 72, 2, false, true)]
    [InlineData(130, 257, 61, 0, false, false)]
    [InlineData(128, 128, 256, 1, true, false)]
    [InlineData(300, 3, 64, 1, false, false)]
    [InlineData(0, 131, 64, 0, false, true)]
    public void ProbabilitiesLessTargets_AreThoseOfTheReference(int rows, int columns, int size, int pass, bool isConstant, bool hasBias)
    {
        var kernel = new TensorCoreKernel("Gradient", TensorCoreRole.Gradient, isConstant ? size : 0);
        Assert.Equal(0, Check(CompiledKernel.Get(kernel), rows, columns, size, pass, hasBias));
    }

    [Theory]
    [InlineData(136, 1, 131)]
    [InlineData(1 << 20, 1 << 12, 900_000)]
    public void PassBehindTheLastColumn_WritesNothing(int chunk, int pass, int allColumns)
    {
        var kernel = CompiledKernel.Get(new("Gradient", TensorCoreRole.Gradient));
        var memory = new EmulatedMemory { IsWrittenOnce = true };
        kernel.Run(memory, 1, 0UL, 64, 0UL, 64, 0UL, LogitsTests.Plan(memory, 5, chunk), pass, allColumns, 64, 0UL, 0UL, 0UL, 0UL);
    }

    [Theory]
    [InlineData(128, 256, 2, 4, 3)]
    [InlineData(128, 128, 2, 2, 3)]
    [InlineData(64, 64, 2, 2, 4)]
    [InlineData(64, 128, 1, 4, 2)]
    [InlineData(256, 128, 4, 2, 2)]
    public void OtherTiles_GiveTheSame(int tileRows, int tileColumns, int warpRows, int warpColumns, int stages)
    {
        var kernel = new TensorCoreKernel("Gradient", TensorCoreRole.Gradient, 0, tileRows, tileColumns, warpRows, warpColumns, stages);
        Assert.Equal(0, Check(CompiledKernel.Get(kernel), 140, 270, 200, 1, true));
    }

    internal static int Check(CompiledKernel kernel, int rows, int columns, int size, int pass, bool hasBias)
    {
        // A middle chunk is whole; only the last one can end before its stride.
        var chunk = (columns + 7) / 8 * 8;
        var firstColumn = pass * chunk;
        var allColumns = firstColumn + columns + (columns == chunk ? 5 : 0);
        var random = new Random(rows + columns + size);
        var inputs = new PaddedMatrix(random, rows, size, 1.5, unusedRows: 3);
        var weights = new PaddedMatrix(random, allColumns, size, 2 / Math.Sqrt(size));
        var bias = Enumerable.Range(0, allColumns).Select(_ => random.NextSingle() - 0.5f).ToArray();
        // Targets before the chunk, past it, and none at all.
        var targets = Enumerable.Range(0, rows)
            .Select(row => (row % 6) switch { 1 => -1, 2 => firstColumn - 1, 3 => firstColumn + columns + (row % 7), _ => firstColumn + random.Next(columns) }).ToArray();
        // Any number does for the log-sum-exp; the chunk is a part of all columns.
        var logSumExps = Enumerable.Range(0, rows).Select(_ => (random.NextSingle() * 2) + 2).ToArray();

        var memory = new EmulatedMemory { IsWrittenOnce = true };
        var result = new ushort[(rows + 2) * chunk];
        Array.Fill(result, Untouched);
        var gradients = memory.Allocate<ushort>(result);
        var conflicts = kernel.Run(
            memory, 2, inputs.CopyTo(memory), inputs.Stride, weights.CopyTo(memory), weights.Stride, hasBias ? memory.Allocate<float>(bias) : 0UL,
            LogitsTests.Plan(memory, rows, chunk), pass, allColumns, size, memory.Allocate<float>(logSumExps), memory.Allocate<int>(targets),
            memory.Allocate<float>([Scale]), gradients);

        var found = memory.Read<ushort>(gradients);
        for (var row = 0; row < rows + 2; row++)
        {
            for (var column = 0; column < chunk; column++)
            {
                var value = found[(row * chunk) + column];
                if (row >= rows) Assert.Equal(Untouched, value);
                else if (column >= columns) Assert.Equal(0, value);
                else
                {
                    double logit = hasBias ? bias[firstColumn + column] : 0;
                    for (var k = 0; k < size; k++) logit += inputs[row, k] * weights[firstColumn + column, k];
                    var expected = Scale * (Math.Exp(logit - logSumExps[row]) - (targets[row] == firstColumn + column ? 1 : 0));
                    // Half a unit of bfloat16's last place, and float32's error of the probability.
                    LogitsTests.Near(expected, BFloat16.Widen(value), (Math.Abs(expected) / 256) + (1e-4 * Math.Exp(logit - logSumExps[row])), $"row {row}, column {column}");
                }
            }
        }

        return conflicts;
    }
}
