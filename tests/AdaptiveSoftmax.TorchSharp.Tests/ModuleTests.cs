using AdaptiveSoftmax.Gpu.Tests;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>What PyTorch's own tests ask of the module: arguments, sizes, names, refusals, predictions.</summary>
[Collection(Backend.Collection)]
public sealed class ModuleTests
{
    [Theory]
    [InlineData(new long[] { }, "cutoffs")]
    [InlineData(new long[] { 5, 15, 15 }, "ascend")]
    [InlineData(new long[] { 15, 5 }, "ascend")]
    [InlineData(new long[] { 0, 5 }, "1 or more")]
    [InlineData(new long[] { -1, 5 }, "1 or more")]
    [InlineData(new long[] { 5, 20 }, "below the vocabulary size")]
    [InlineData(new long[] { 5, 25 }, "below the vocabulary size")]
    public void Cutoffs_MustAscendBetweenOneAndTheLastClass(long[] cutoffs, string message)
    {
        var exception = Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherArguments_AreChecked()
    {
        Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(16, 20, [5], div_value: 0));
        Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(16, 20, [5], label_smoothing: 1.5));
        Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(16, 20, [5], reduction: (nn.Reduction)9));
        Assert.Throws<ArgumentException>(() => new AdaptiveLogSoftmaxWithLoss(1L << 40, 20, [5]));
    }

    [Theory]
    [MemberData(nameof(TorchCase.Names), MemberType = typeof(TorchCase))]
    public void NamesAndShapes_AreThoseOfPyTorch(string name)
    {
        var one = TorchCase.Find(name);
        using var module = one.Create(ScalarType.Float32);
        var rows = one.Cutoffs[0] + one.Cutoffs.Length;
        var expected = new Dictionary<string, long[]> { ["head.weight"] = [rows, one.Hidden] };
        if (one.HeadBias) expected["head.bias"] = [rows];
        for (var i = 0; i < one.Cutoffs.Length; i++)
        {
            expected[$"tail.{i}.0.weight"] = [one.Widths[i], one.Hidden];
            expected[$"tail.{i}.1.weight"] = [(i + 1 < one.Cutoffs.Length ? one.Cutoffs[i + 1] : one.Classes) - one.Cutoffs[i], one.Widths[i]];
        }

        Assert.Equal(expected.OrderBy(pair => pair.Key), module.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.shape).OrderBy(pair => pair.Key));
        Assert.Equal(module.OrderedParameters().Select(parameter => parameter.Handle), module.parameters().Select(parameter => parameter.Handle));
    }

    [Fact]
    public void Initialisation_IsUniformWithinTheFanIn()
    {
        using var module = new AdaptiveLogSoftmaxWithLoss(64, 5000, [1000, 3000], head_bias: true);
        Check();
        module.reset_parameters();
        Check();

        void Check()
        {
            foreach (var (name, parameter) in module.named_parameters())
            {
                var bound = 1 / Math.Sqrt(parameter.dim() == 1 ? 64 : parameter.shape[1]);
                Assert.InRange(parameter.abs().max().item<float>(), 0.98 * bound, bound);
                Assert.InRange(parameter.std().item<float>(), 0.9 * bound / Math.Sqrt(3), 1.1 * bound / Math.Sqrt(3));
                Assert.True(parameter.requires_grad, name);
            }
        }
    }

    [Fact]
    public void Shapes_ThatDoNotAgree_AreRefused()
    {
        using var module = new AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10, 15], div_value: 2);
        AssertRefused("targets for", randn(2, 16), tensor([0L, 5L, 10L]));
        AssertRefused("in_features", randn(2, 8), tensor([0L, 5L]));
        AssertRefused("dimensions", randn(16), tensor([0L]));
        AssertRefused("dimensions", randn(2, 16), tensor(0L));
        AssertRefused("dimensions", randn(2, 2, 16), tensor([0L, 1L, 2L, 3L]).reshape(2, 2));
        AssertRefused("integers", randn(1, 16), tensor([0.5f]));
        AssertRefused("type", randn(1, 16, ScalarType.Float64), tensor([0L]));
        AssertRefused("from -1 to 20", randn(3, 16), tensor([20L, 3L, -1L]));
        AssertRefused("from 21 to 21", randn(2, 16), tensor([21L, -100L]));

        void AssertRefused(string message, Tensor input, Tensor target) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => module.forward(input, target)).Message, StringComparison.Ordinal);
    }

    // Weights that make the head, or one tail, win: the three cases of PyTorch's test of predict.
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Predict_IsTheArgmaxOfLogProb_InHeadAndTailsAndBoth(bool head, bool tail)
    {
        using var module = new AdaptiveLogSoftmaxWithLoss(64, 10, [4, 8], div_value: 2);
        using var scope = NewDisposeScope();
        var input = randn(64, 64).abs();
        using (no_grad())
        {
            // Positive vectors: ones in a row let it win for the shortlist, for the clusters, or for half of the batch each,
            // whose vectors then have nothing in the other half of the columns.
            var half = head && tail ? 32 : 64;
            module.head.weight.copy_(randn(6, 64) * 0.01);
            if (head) module.head.weight.narrow(0, 0, 4).narrow(1, 0, half).add_(1);
            if (tail) module.head.weight.narrow(0, 4, 2).narrow(1, 64 - half, half).add_(1);
            if (head && tail)
            {
                input.narrow(0, 0, 32).narrow(1, 32, 32).fill_(0);
                input.narrow(0, 32, 32).narrow(1, 0, 32).fill_(0);
            }
        }

        var predictions = module.predict(input);
        Assert.Equal(module.log_prob(input).argmax(1).data<long>().ToArray(), predictions.data<long>().ToArray());
        Assert.Equal(head, predictions.lt(4).any().item<bool>());
        Assert.Equal(tail, predictions.ge(4).any().item<bool>());
    }

    [Theory]
    [InlineData("version `GLIBCXX_3.4.32' not found (required by libLibTorchSharp.so)", "GLIBCXX_3.4.32")]
    [InlineData("libtorch_cpu.so: cannot open shared object file", null)]
    public void AnOldCppRuntime_IsExplained(string loader, string? version)
    {
        var remedy = LibTorch.Explain(loader);
        if (version is null) Assert.Null(remedy);
        else Assert.Contains($"C++ runtime with {version}, ", remedy, StringComparison.Ordinal);
    }
}
