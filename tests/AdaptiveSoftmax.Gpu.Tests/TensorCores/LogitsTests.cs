using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

public sealed class LogitsTests
{
    private const float Untouched = -777;

    // Inputs [rows, size] and weights [columns, size]: sizes that are no multiple of a tile, of a step or of 16 bytes.
    [Theory]
    [InlineData(1, 131, 64, true, false)]
    [InlineData(17, 257, 200, true, true)]
    [InlineData(130, 131, 72, false, true)]
    [InlineData(130, 257, 61, false, false)]
    [InlineData(128, 128, 256, true, false)]
    [InlineData(300, 3, 64, false, false)]
    [InlineData(0, 131, 64, false, true)]
    public void PairsAndTargets_AreThoseOfTheReference(int rows, int columns, int size, bool isConstant, bool hasBias)
    {
        var kernel = new TensorCoreKernel("Logits", TensorCoreRole.Logits, isConstant ? size : 0);
        Assert.Equal(0, Check(CompiledKernel.Get(kernel), rows, columns, size, hasBias));
    }

    [Theory]
    [InlineData(128, 256, 2, 4, 3)]
    [InlineData(128, 128, 2, 2, 3)]
    [InlineData(64, 64, 2, 2, 4)]
    [InlineData(64, 128, 1, 4, 2)]
    [InlineData(256, 128, 4, 2, 2)]
    public void OtherTiles_GiveTheSame(int tileRows, int tileColumns, int warpRows, int warpColumns, int stages)
    {
        var kernel = new TensorCoreKernel("Logits", TensorCoreRole.Logits, 0, tileRows, tileColumns, warpRows, warpColumns, stages);
        Assert.Equal(0, Check(CompiledKernel.Get(kernel), 140, 270, 200, true));
    }

    // The last strip ends early, there is but one, and a group takes several.
    [Theory]
    [InlineData(17, 300, 2)]
    [InlineData(130, 257, 5)]
    [InlineData(300, 700, 2)]
    [InlineData(0, 300, 2)]
    public void StripsOfTiles_HaveOneMaximumAndSumEach(int rows, int columns, int tilesPerStrip)
    {
        var kernel = new TensorCoreKernel("Logits", TensorCoreRole.Logits);
        Assert.Equal(0, Check(CompiledKernel.Get(kernel), rows, columns, 72, true, tilesPerStrip));
    }

    // A bias of minus infinity takes a class out, here all of the second tile's, and no difference of infinities comes of it.
    [Fact]
    public void BiasOfMinusInfinity_TakesAClassOut()
    {
        var kernel = CompiledKernel.Get(new("Logits", TensorCoreRole.Logits));
        var random = new Random(5);
        var inputs = new PaddedMatrix(random, 2, 16, 1);
        var weights = new PaddedMatrix(random, 256, 16, 1);
        var bias = Enumerable.Range(0, 256).Select(column => column is 7 or >= 128 ? float.NegativeInfinity : 0).ToArray();
        var memory = new EmulatedMemory { IsWrittenOnce = true };
        var partials = memory.Allocate<float>(Filled(2 * 2 * 2));
        kernel.Run(
            memory, 1, inputs.CopyTo(memory), inputs.Stride, weights.CopyTo(memory), weights.Stride, memory.Allocate<float>(bias),
            Plan(memory, 2), 256, 16, 1, 2, partials, memory.Allocate<int>([3, 7]), memory.Allocate<float>(Filled(2)));
        var pairs = memory.Read<float>(partials);
        for (var row = 0; row < 2; row++)
        {
            var logits = Enumerable.Range(0, 128).Where(column => column != 7)
                .Select(column => Enumerable.Range(0, 16).Sum(k => inputs[row, k] * weights[column, k])).ToArray();
            Near(logits.Max(), pairs[row * 2], 1e-5, "maximum");
            Near(logits.Sum(logit => Math.Exp(logit - logits.Max())), pairs[(row * 2) + 1], 1e-4, "sum");
            Assert.Equal((-1e30f, 0), (pairs[(2 + row) * 2], pairs[((2 + row) * 2) + 1]));
        }
    }

    internal static int Check(CompiledKernel kernel, int rows, int columns, int size, bool hasBias, int tilesPerStrip = 1)
    {
        var random = new Random(rows + columns + size);
        var inputs = new PaddedMatrix(random, rows, size, 1.5, unusedRows: 3);
        var weights = new PaddedMatrix(random, columns, size, 2 / Math.Sqrt(size));
        var bias = Enumerable.Range(0, columns).Select(_ => random.NextSingle() - 0.5f).ToArray();
        // Some rows have no target here: it is another kernel's, or past the end.
        var targets = Enumerable.Range(0, rows).Select(row => (row % 5) switch { 1 => -1, 2 => columns + (row % 7), _ => random.Next(columns) }).ToArray();
        var width = tilesPerStrip * kernel.Kernel.TileColumns;
        var strips = (columns + width - 1) / width;
        var capacity = rows + 3;

        var memory = new EmulatedMemory { IsWrittenOnce = true };
        var partials = memory.Allocate<float>(Filled(strips * capacity * 2));
        var targetLogits = memory.Allocate<float>(Filled(capacity));
        var conflicts = kernel.Run(
            memory, 2, inputs.CopyTo(memory), inputs.Stride, weights.CopyTo(memory), weights.Stride, hasBias ? memory.Allocate<float>(bias) : 0UL,
            Plan(memory, rows), columns, size, tilesPerStrip, capacity, partials, memory.Allocate<int>(targets), targetLogits);

        var pairs = memory.Read<float>(partials);
        var found = memory.Read<float>(targetLogits);
        for (var row = 0; row < capacity; row++)
        {
            for (var strip = 0; strip < strips; strip++)
            {
                var (maximum, sum) = (pairs[((strip * capacity) + row) * 2], pairs[(((strip * capacity) + row) * 2) + 1]);
                if (row >= rows)
                {
                    Assert.Equal((Untouched, Untouched), (maximum, sum));
                    continue;
                }

                var first = strip * width;
                var logits = Enumerable.Range(first, Math.Min(width, columns - first)).Select(column => Logit(row, column)).ToArray();
                var expected = logits.Max();
                Near(expected, maximum, 1e-4, $"maximum of row {row}, strip {strip}");
                Near(logits.Sum(logit => Math.Exp(logit - maximum)), sum, 1e-4 * logits.Length, $"sum of row {row}, strip {strip}");
            }

            if (row < rows && targets[row] >= 0 && targets[row] < columns) Near(Logit(row, targets[row]), found[row], 1e-4, $"target's logit of row {row}");
            else Assert.Equal(Untouched, found[row]);
        }

        return conflicts;

        double Logit(int row, int column)
        {
            double sum = hasBias ? bias[column] : 0;
            for (var k = 0; k < size; k++) sum += inputs[row, k] * weights[column, k];
            return sum;
        }
    }

    /// <summary>A plan as the library's kernels leave it on the device, after that of another cluster.</summary>
    internal static ulong Plan(EmulatedMemory memory, int rows, int chunk = 0, int first = 0, int splits = 1)
    {
        BatchPlan other = new() { First = 1 << 28, Count = 1 << 29, ChunkRows = 1 << 30, Splits = 1 << 29 };
        return memory.Allocate<BatchPlan>([other, new() { First = first, Count = rows, ChunkRows = chunk, Splits = splits }, other])
            + (ulong)System.Runtime.CompilerServices.Unsafe.SizeOf<BatchPlan>();
    }

    internal static float[] Filled(int count)
    {
        var values = new float[count];
        Array.Fill(values, Untouched);
        return values;
    }

    // Written so that what is no number is far away.
    internal static void Near(double expected, double actual, double tolerance, string what) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance, $"{what}: expected {expected:R}, got {actual:R}");
}
