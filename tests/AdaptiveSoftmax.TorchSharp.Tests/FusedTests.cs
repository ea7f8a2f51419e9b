using AdaptiveSoftmax.Gpu.Tests;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>The numbers of the fused implementation, against the composed one in double precision and against a layer's bits.</summary>
[Collection(Backend.Collection)]
public sealed class FusedTests
{
    [Theory]
    [MemberData(nameof(TorchCase.Names), MemberType = typeof(TorchCase))]
    public void OutputLossAndGradients_AreThoseOfTheDefinition(string name)
    {
        var one = TorchCase.Find(name);
        using var pair = new FusedPair(one);
        pair.AssertSame(one.Input(), one.Target(), (_, loss) => loss);
        using var composed = new FusedPair(one, ScalarType.Float32);
        composed.AssertSame(one.Input(), one.Target(), (_, loss) => loss);
    }

    // The gradient that arrives is not 1, comes by both results, and differs from target to target.
    [Theory]
    [InlineData(0.0, nn.Reduction.Mean)]
    [InlineData(0.0, nn.Reduction.Sum)]
    [InlineData(0.0, nn.Reduction.None)]
    [InlineData(0.1, nn.Reduction.Mean)]
    [InlineData(1.0, nn.Reduction.Sum)]
    [InlineData(0.3, nn.Reduction.None)]
    public void IncomingGradients_OfOutputAndLoss_AreFollowed(double smoothing, nn.Reduction reduction)
    {
        var one = TorchCase.Find("three cutoffs, div 2");
        using var pair = new FusedPair(one, ignoreIndex: 5, smoothing: smoothing, reduction: reduction);
        var weights = randn(one.Targets.Length, ScalarType.Float64, generator: new Generator(5));
        Tensor Weighted(Tensor values) => (values * weights.to(values.dtype)).sum();

        pair.AssertSame(one.Input(), one.Target(), (_, loss) => loss.sum());
        pair.AssertSame(one.Input(), one.Target(), (_, loss) => -3 * loss.sum() * loss.sum());
        pair.AssertSame(one.Input(), one.Target(), (_, loss) => Weighted(loss.expand(one.Targets.Length)));
        pair.AssertSame(one.Input(), one.Target(), (output, _) => Weighted(output));
        pair.AssertSame(one.Input(), one.Target(), (output, loss) => Weighted(output.exp()) + (0.5 * loss.sum()));
    }

    // The slopes of the loss itself, by no derivative of anybody's.
    [Fact]
    public void Gradients_AreTheSlopesOfTheLoss()
    {
        const double Step = 1e-2;
        using var module = new AdaptiveLogSoftmaxWithLoss(4, 9, [3, 6], div_value: 2, head_bias: true, label_smoothing: 0.1) { implementation = SoftmaxImplementation.Fused };
        var input = randn(5, 4, generator: new Generator(1)).requires_grad_();
        var target = tensor(new long[] { 0, 2, 4, 8, 7 });
        module.forward(input, target).loss.backward();
        foreach (var (name, values) in module.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter)).Append(("input", input)))
        {
            using var noGradient = no_grad();
            var (flat, gradient) = (values.view(-1), values.grad!.view(-1));
            for (var i = 0; i < flat.shape[0]; i++)
            {
                var (value, losses) = (flat[i].item<float>(), new double[2]);
                for (var side = 0; side < 2; side++)
                {
                    flat[i] = (float)(value + ((2 * side) - 1) * Step);
                    losses[side] = module.forward(input, target).loss.item<float>();
                }

                flat[i] = value;
                Assert.True(Math.Abs(((losses[1] - losses[0]) / (2 * Step)) - gradient[i].item<float>()) < 1e-3, $"{name}[{i}] has another slope.");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void OutputAndGradients_HaveTheBitsOfALayer_WithAnyNumberOfThreads(int threads)
    {
        using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(32, 3000, [200, 1000], 4, hasHeadBias: true), seed: 3);
        using var module = layer.ToTorch();
        module.implementation = SoftmaxImplementation.Fused;
        var random = new Random(5);
        int[] targets = [.. Enumerable.Range(0, 300).Select(_ => random.Next(3000))];
        var input = randn(300, 32, generator: new Generator(2)).requires_grad_();
        var hidden = input.detach().data<float>().ToArray();
        var (logProbs, gradient) = (new float[300], new float[hidden.Length]);
        layer.Forward(hidden, targets, logProbs);
        var expected = layer.Backward(hidden, targets, gradient);

        var before = get_num_threads();
        set_num_threads(threads);
        try
        {
            var (output, loss) = module.forward(input, tensor(targets));
            loss.backward();
            Assert.Equal(expected, loss.item<float>());
            Assert.Equal(logProbs, output.data<float>().ToArray());
        }
        finally
        {
            set_num_threads(before);
        }

        Assert.Equal(gradient, input.grad!.data<float>().ToArray());
        foreach (var (parameter, tensor) in layer.Parameters.Zip(module.OrderedParameters()))
            Assert.Equal(parameter.Gradient.ToArray(), tensor.grad!.data<float>().ToArray());
    }

    [Fact]
    public void OneDimension_IsARowOfTwo()
    {
        var one = TorchCase.Find("two cutoffs");
        foreach (var reduction in Enum.GetValues<nn.Reduction>())
        {
            using var pair = new FusedPair(one, reduction: reduction);
            for (var row = 0; row < 4; row++) pair.AssertSame(one.Input()[row], one.Target()[row], (output, loss) => loss + (2 * output));
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.2)]
    public void NoTargets_CostNothing_AndStillHaveAGradient(double smoothing)
    {
        var one = TorchCase.Find("two cutoffs");
        using var pair = new FusedPair(one, smoothing: smoothing);
        pair.AssertSame(zeros(0, 16, ScalarType.Float64), zeros(0, ScalarType.Int64), (output, loss) => loss + output.sum());
        pair.AssertSame(one.Input(), full(one.Targets.Length, -100, ScalarType.Int64), (output, loss) => loss + output.sum());
    }

    [Fact]
    public void AnyIntegers_AreTargets_AndAnyStrides_AreInput()
    {
        var one = TorchCase.Find("two cutoffs");
        using var pair = new FusedPair(one);
        var transposed = one.Input().t().contiguous().t();
        Assert.False(transposed.is_contiguous());
        foreach (var type in new[] { ScalarType.Int64, ScalarType.Int32, ScalarType.Byte })
            pair.AssertSame(transposed, one.Target().to(type), (_, loss) => loss);
        var every = stack([one.Target(), one.Target() + 1], 1).select(1, 0);
        Assert.False(every.is_contiguous());
        pair.AssertSame(one.Input(), every, (_, loss) => loss);
    }

    [Fact]
    public void ARealVocabulary_AgreesWithTheComposedModule()
    {
        var cutoffs = new[] { 886, 17255 };
        var random = new Random(1);
        long[] targets = [.. Enumerable.Range(0, 64).Select(i => (long)(i % 8 < 6 ? random.Next(886) : i % 8 == 6 ? random.Next(886, 17255) : random.Next(17255, 200019)))];
        var one = new TorchCase("o200k_base", 512, 200019, cutoffs, 4, false, targets, [128, 32]);
        using var pair = new FusedPair(one, ScalarType.Float32);
        pair.AssertSame(one.Input() / 3, one.Target(), (_, loss) => loss);
    }
}
