using AdaptiveSoftmax.Gpu.Tests;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>
/// The module against the definition written in tensor operations, in double precision. One test runs at a time: the
/// generator of random numbers in libtorch is one for all threads.
/// </summary>
[Collection(Backend.Collection)]
public sealed class ParityTests
{
    private const double Tolerance = 1e-10;

    [Theory]
    [MemberData(nameof(TorchCase.Names), MemberType = typeof(TorchCase))]
    public void Forward_GivesTheLogProbsOfTheTargets_AndTheirMeanLoss(string name)
    {
        var one = TorchCase.Find(name);
        using var module = one.Create();
        var input = one.Input();
        var (output, loss) = module.forward(input, one.Target());
        AssertClose(TorchReference.LogProb(module, input).gather(1, one.Target().unsqueeze(1)).squeeze(1), output);
        AssertClose(TorchReference.Loss(module, input, one.Target()), loss);
        AssertClose(-output.mean(), loss);
    }

    [Theory]
    [MemberData(nameof(TorchCase.Names), MemberType = typeof(TorchCase))]
    public void Backward_GivesTheGradientsOfTheDefinition(string name)
    {
        var one = TorchCase.Find(name);
        using var module = one.Create();
        var expected = Gradients(module, one.Input(), input => TorchReference.Loss(module, input, one.Target()));
        var actual = Gradients(module, one.Input(), input => module.forward(input, one.Target()).loss);
        Assert.Equal(expected.Keys, actual.Keys);
        foreach (var (parameter, gradient) in expected) AssertClose(gradient, actual[parameter]);
    }

    [Theory]
    [InlineData(0.0, nn.Reduction.Mean)]
    [InlineData(0.0, nn.Reduction.Sum)]
    [InlineData(0.0, nn.Reduction.None)]
    [InlineData(0.1, nn.Reduction.Mean)]
    [InlineData(1.0, nn.Reduction.Sum)]
    [InlineData(0.3, nn.Reduction.None)]
    public void PaddingSmoothingAndReduction_MeanWhatTheyMeanInCrossEntropy(double smoothing, nn.Reduction reduction)
    {
        var one = TorchCase.Find("three cutoffs, div 2");
        using var module = one.Create(ignoreIndex: 5, smoothing: smoothing, reduction: reduction);
        var expected = Gradients(module, one.Input(), input => TorchReference.Loss(module, input, one.Target()).sum());
        var actual = Gradients(module, one.Input(), input => module.forward(input, one.Target()).loss.sum());
        foreach (var (parameter, gradient) in expected) AssertClose(gradient, actual[parameter]);
        var (output, loss) = module.forward(one.Input(), one.Target());
        AssertClose(TorchReference.Loss(module, one.Input(), one.Target()), loss);
        Assert.Equal(0.0, output[2].item<double>());
    }

    [Theory]
    [MemberData(nameof(TorchCase.Names), MemberType = typeof(TorchCase))]
    public void LogProb_SumsToOne_AndPredictIsItsArgmax(string name)
    {
        var one = TorchCase.Find(name);
        using var module = one.Create();
        var input = one.Input();
        var logProbs = module.log_prob(input);
        AssertClose(TorchReference.LogProb(module, input), logProbs);
        AssertClose(ones(one.Targets.Length, ScalarType.Float64), logProbs.exp().sum(1));
        Assert.Equal(logProbs.argmax(1).data<long>().ToArray(), module.predict(input).data<long>().ToArray());
    }

    [Fact]
    public void OneDimension_IsARowOfTwo()
    {
        var one = TorchCase.Find("two cutoffs");
        using var module = one.Create();
        var input = one.Input();
        var (outputs, _) = module.forward(input, one.Target());
        for (var row = 0; row < one.Targets.Length; row++)
        {
            var (output, loss) = module.forward(input[row], one.Target()[row]);
            Assert.Empty(output.shape);
            Assert.Empty(loss.shape);
            AssertClose(outputs[row], output);
            AssertClose(-outputs[row], loss);
            AssertClose(module.log_prob(input)[row], module.log_prob(input[row]));
            Assert.Equal(module.predict(input)[row].item<long>(), module.predict(input[row]).item<long>());
        }
    }

    [Fact]
    public void NoTargets_CostNothing_AndStillHaveAGradient()
    {
        var one = TorchCase.Find("two cutoffs");
        using var module = one.Create();
        foreach (var (input, target) in new[] { (zeros(0, 16, ScalarType.Float64), zeros(0, ScalarType.Int64)), (one.Input(), full(one.Targets.Length, -100, ScalarType.Int64)) })
        {
            var (output, loss) = module.forward(input, target);
            Assert.Equal(target.shape, output.shape);
            Assert.Equal(0, loss.item<double>());
            loss.backward();
            Assert.Equal(0, module.head.weight.grad!.abs().sum().item<double>());
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16, 0.01)]
    [InlineData(ScalarType.BFloat16, 0.08)]
    public void HalfPrecision_ComputesTheLogSoftmaxInFloat32(ScalarType type, double tolerance)
    {
        var one = TorchCase.Find("three cutoffs, div 2");
        using var exact = one.Create();
        var input = one.Input(type);
        var wide = input.to(ScalarType.Float64);
        using var single = one.Create(ScalarType.Float32);
        using var half = one.Create(type);
        // Parameters in float32 under half-precision vectors are what autocast makes of a model; the others are all half.
        foreach (var module in new[] { single, half })
        {
            using (no_grad())
            {
                foreach (var (from, to) in exact.parameters().Zip(half.parameters())) from.copy_(to.copy_(from));
                foreach (var (from, to) in exact.parameters().Zip(single.parameters())) to.copy_(from);
            }

            var (expectedOutput, expectedLoss) = exact.forward(wide, one.Target());
            var (output, loss) = module.forward(input, one.Target());
            Assert.Equal(ScalarType.Float32, output.dtype);
            Assert.Equal(ScalarType.Float32, loss.dtype);
            AssertNear("output", expectedOutput, output);
            AssertNear("loss", expectedLoss, loss);

            var expectedGradients = Gradients(exact, wide.clone(), leaf => exact.forward(leaf, one.Target()).loss);
            var gradients = Gradients(module, input.clone(), leaf => module.forward(leaf, one.Target()).loss);
            Assert.All(module.parameters(), parameter => Assert.Equal(parameter.dtype, parameter.grad!.dtype));
            Assert.Equal(type, gradients["input"].dtype);
            foreach (var (name, gradient) in expectedGradients) AssertNear(name, gradient, gradients[name]);

            var logProbs = module.log_prob(input);
            Assert.Equal(ScalarType.Float32, logProbs.dtype);
            AssertNear("log_prob", exact.log_prob(wide), logProbs);
            Assert.Equal(1, logProbs.exp().sum(1).mean().item<float>(), 1e-4);
            // Ties of rounded logits aside, the best class.
            var found = logProbs.gather(1, module.predict(input).unsqueeze(1)).squeeze(1);
            Assert.True((logProbs.amax(1) - found).max().item<float>() <= tolerance, "predict is not the argmax.");
        }

        void AssertNear(string name, Tensor expected, Tensor actual)
        {
            var difference = (actual.to(ScalarType.Float64) - expected).abs().max().item<double>();
            Assert.True(difference <= tolerance * expected.abs().max().item<double>(), $"{name} differs by {difference}.");
        }
    }

    internal static void AssertClose(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.True(allclose(expected, actual, Tolerance, Tolerance), "The values differ.");
    }

    private static Dictionary<string, Tensor> Gradients(AdaptiveLogSoftmaxWithLoss module, Tensor input, Func<Tensor, Tensor> loss)
    {
        module.zero_grad();
        var leaf = input.requires_grad_();
        loss(leaf).backward();
        // The definition reaches every parameter, with zeros where no target does.
        var gradients = module.named_parameters().ToDictionary(pair => pair.name, pair => (pair.parameter.grad ?? zeros_like(pair.parameter)).clone());
        gradients["input"] = leaf.grad!.clone();
        return gradients;
    }
}
