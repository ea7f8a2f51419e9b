using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>The products of a linear layer against sums in float64.</summary>
public abstract class MatrixTests
{
    // Sizes around the strides and tiles, and one with many tiles.
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 1, 1, 1 },
        { 3, 5, 7 },
        { 65, 12, 16 },
        { 130, 129, 9 },
        { 200, 300, 260 },
    };

    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Products_AreSumsInFloat64(int tokens, int outputs, int inputs)
    {
        var random = new Random(1);
        using var weight = new GpuParameter(Accelerator, "weight", outputs, inputs);
        using var bias = new GpuParameter(Accelerator, "bias", outputs, 1, isVector: true);
        using var matrix = new GpuMatrix(weight, bias);
        var (w, b) = (Draw(outputs * inputs), Draw(outputs));
        weight.CopyFrom(w);
        bias.CopyFrom(b);
        var (x, dy) = (Draw(tokens * inputs), Draw(tokens * outputs));
        using var input = Upload(x, tokens, inputs, matrix.InputStride);
        using var output = Accelerator.Allocate1D<float>(tokens * matrix.OutputStride);
        using var outputGradient = Upload(dy, tokens, outputs, matrix.OutputStride);
        using var inputGradient = Accelerator.Allocate1D<float>(tokens * matrix.InputStride);

        matrix.Forward(input.View, output.View);
        matrix.InputGradient(outputGradient.View, inputGradient.View);
        matrix.AddWeightGradient(outputGradient.View, input.View);
        AssertRows(output, matrix.OutputStride, tokens, outputs, (t, o) => b[o] + Sum(inputs, i => x[(t * inputs) + i] * w[(o * inputs) + i]));
        AssertRows(inputGradient, matrix.InputStride, tokens, inputs, (t, i) => Sum(outputs, o => dy[(t * outputs) + o] * w[(o * inputs) + i]));
        AssertGradients(1);

        // A gradient is added to until it is forgotten; a batch of another size goes through the same object.
        matrix.AddWeightGradient(outputGradient.View, input.View);
        AssertGradients(2);
        weight.ZeroGradient();
        bias.ZeroGradient();
        matrix.AddWeightGradient(outputGradient.View.SubView(0, matrix.OutputStride), input.View.SubView(0, matrix.InputStride));
        tokens = 1;
        AssertGradients(1);

        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];

        void AssertGradients(int times)
        {
            var gradient = new float[outputs * inputs];
            weight.CopyGradientTo(gradient);
            for (var i = 0; i < gradient.Length; i++)
                AssertClose(times * Sum(tokens, t => dy[(t * outputs) + (i / inputs)] * x[(t * inputs) + (i % inputs)]), gradient[i]);
            var biasGradient = new float[outputs];
            bias.CopyGradientTo(biasGradient);
            for (var i = 0; i < outputs; i++) AssertClose(times * Sum(tokens, t => dy[(t * outputs) + i]), biasGradient[i]);
        }
    }

    [Fact]
    public void ProductWithoutBias_AddsNone()
    {
        using var weight = new GpuParameter(Accelerator, "weight", 2, 8);
        using var matrix = new GpuMatrix(weight);
        weight.CopyFrom([.. Enumerable.Range(1, 16)]);
        using var input = Upload([1, 0, 0, 0, 0, 0, 0, 2], 1, 8, 8);
        using var output = Accelerator.Allocate1D<float>(8);
        matrix.Forward(input.View, output.View);
        Assert.Equal([17, 41, 0, 0, 0, 0, 0, 0], output.GetAsArray1D());
    }

    [Fact]
    public void ViewOfAnotherSize_IsAnErrorThatNamesBoth()
    {
        using var weight = new GpuParameter(Accelerator, "first.weight", 5, 7);
        using var matrix = new GpuMatrix(weight);
        using var buffer = Accelerator.Allocate1D<float>(24);
        var error = Assert.Throws<ArgumentException>(() => matrix.Forward(buffer.View.SubView(0, 7), buffer.View));
        Assert.Contains("no multiple of the stride 8 of 'first.weight' [5, 7]", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<ArgumentException>(() => matrix.Forward(buffer.View.SubView(0, 16), buffer.View));
        Assert.Contains("2 tokens of stride 8 need 16", error.Message, StringComparison.Ordinal);
    }

    private MemoryBuffer1D<float, Stride1D.Dense> Upload(float[] values, int rows, int columns, int stride)
    {
        var padded = new float[rows * stride];
        for (var row = 0; row < rows; row++) values.AsSpan(row * columns, columns).CopyTo(padded.AsSpan(row * stride));
        return Accelerator.Allocate1D(padded);
    }

    private static void AssertRows(MemoryBuffer1D<float, Stride1D.Dense> buffer, int stride, int rows, int columns, Func<int, int, double> expected)
    {
        var values = buffer.GetAsArray1D();
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < stride; column++) AssertClose(column < columns ? expected(row, column) : 0, values[(row * stride) + column]);
        }
    }

    private static double Sum(int count, Func<int, double> term)
    {
        var sum = 0.0;
        for (var i = 0; i < count; i++) sum += term(i);
        return sum;
    }

    private static void AssertClose(double expected, double actual)
    {
        if (!(Math.Abs(expected - actual) <= 2e-5 * Math.Max(1, Math.Abs(expected)))) Assert.Fail($"Expected {expected}, got {actual}.");
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClMatrixTests : MatrixTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaMatrixTests : MatrixTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
