using CsCheck;

namespace AdaptiveSoftmax.Tests;

public class MatrixKernelsTests
{
    private static readonly Gen<(int Tokens, int Outputs, int Inputs, int Seed)> s_cases =
        Gen.Select(Gen.OneOf(Gen.Int[0, 6], Gen.Int[7, 40], Gen.Int[250, 280]), Gen.Int[1, 70], Gen.Int[1, 300], Gen.Int);

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    private static Parameter CreateWeight(int outputs, int inputs, int seed)
    {
        var weight = new Parameter("weight", outputs, inputs);
        Random(outputs * inputs, seed).CopyTo(weight.WritableValues);
        return weight;
    }

    [Fact]
    public void Forward_AgreesWithTheDefinition_AndWithItselfOnOtherThreads() => s_cases.Sample(
        (tokens, outputs, inputs, seed) =>
        {
            using var weight = CreateWeight(outputs, inputs, seed);
            var input = Random(tokens * inputs, seed + 1);
            var output = new float[tokens * outputs];
            MatrixKernels.Forward(input, weight, output);
            var w = weight.Values;
            for (var token = 0; token < tokens; token++)
            {
                for (var row = 0; row < outputs; row++)
                {
                    var expected = 0.0;
                    for (var k = 0; k < inputs; k++) expected += (double)w[(row * inputs) + k] * input[(token * inputs) + k];
                    Assert.Equal(expected, output[(token * outputs) + row], 2e-4);
                }
            }

            foreach (var threads in (ReadOnlySpan<int>)[1, 3])
            {
                var other = new float[output.Length];
                MatrixKernels.Forward(input, weight, other, threads);
                Assert.Equal(output, other);
            }
        },
        iter: 60);

    [Fact]
    public void Gradients_AgreeWithTheDefinition_AndThoseOfTheWeightAddUp() => s_cases.Sample(
        (tokens, outputs, inputs, seed) =>
        {
            using var weight = CreateWeight(outputs, inputs, seed);
            var input = Random(tokens * inputs, seed + 1);
            var outputGradient = Random(tokens * outputs, seed + 2);
            var inputGradient = new float[input.Length];
            MatrixKernels.InputGradient(outputGradient, weight, inputGradient);
            MatrixKernels.AddWeightGradient(outputGradient, input, weight);
            MatrixKernels.AddWeightGradient(outputGradient, input, weight, threads: 1);
            var oneThread = new float[input.Length];
            MatrixKernels.InputGradient(outputGradient, weight, oneThread, threads: 1);
            Assert.Equal(inputGradient, oneThread);
            var w = weight.Values;
            var gradient = weight.Gradient;
            for (var at = 0; at < inputGradient.Length; at++)
            {
                var (token, k) = (at / inputs, at % inputs);
                var expected = 0.0;
                for (var row = 0; row < outputs; row++) expected += (double)w[(row * inputs) + k] * outputGradient[(token * outputs) + row];
                Assert.Equal(expected, inputGradient[at], 2e-4);
            }

            for (var at = 0; at < gradient.Length; at++)
            {
                var (row, k) = (at / inputs, at % inputs);
                var expected = 0.0;
                for (var token = 0; token < tokens; token++) expected += 2.0 * outputGradient[(token * outputs) + row] * input[(token * inputs) + k];
                Assert.Equal(expected, gradient[at], 5e-4);
            }
        },
        iter: 30);

    [Fact]
    public void ResultsOverWhatIsRead_AreRefused()
    {
        using var weight = CreateWeight(3, 4, seed: 1);
        var memory = Random(40, seed: 2);
        var (before, values) = (memory.ToArray(), weight.Values.ToArray());
        Assert.Throws<ArgumentException>(() => MatrixKernels.Forward(memory.AsSpan(0, 8), weight, memory.AsSpan(7, 6)));
        Assert.Throws<ArgumentException>(() => MatrixKernels.Forward(memory.AsSpan(0, 8), weight, weight.WritableValues[..6]));
        Assert.Throws<ArgumentException>(() => MatrixKernels.InputGradient(memory.AsSpan(0, 6), weight, memory.AsSpan(0, 8)));
        Assert.Throws<ArgumentException>(() => MatrixKernels.InputGradient(memory.AsSpan(0, 6), weight, weight.WritableValues[4..]));
        Assert.Throws<ArgumentException>(() => MatrixKernels.AddWeightGradient(memory.AsSpan(0, 3), weight.Gradient[..4], weight));
        Assert.Throws<ArgumentException>(() => MatrixKernels.AddWeightGradient(weight.Gradient[^3..], memory.AsSpan(0, 4), weight));
        Assert.Equal(before, memory);
        Assert.Equal(values, weight.Values);
        Assert.False(weight.HasGradient);

        // What is only read may be the same.
        MatrixKernels.Forward(weight.Values, weight, memory.AsSpan(0, 9));
        MatrixKernels.AddWeightGradient(memory.AsSpan(0, 3), memory.AsSpan(0, 4), weight);
    }

    [Fact]
    public void SizesThatDisagree_AreRefused()
    {
        using var weight = CreateWeight(3, 4, seed: 1);
        Assert.Throws<ArgumentException>(() => MatrixKernels.Forward(new float[5], weight, new float[3]));
        Assert.Throws<ArgumentException>(() => MatrixKernels.Forward(new float[8], weight, new float[3]));
        Assert.Throws<ArgumentException>(() => MatrixKernels.InputGradient(new float[6], weight, new float[4]));
        Assert.Throws<ArgumentException>(() => MatrixKernels.AddWeightGradient(new float[3], new float[8], weight));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatrixKernels.Forward(new float[4], weight, new float[3], threads: -1));
    }
}
