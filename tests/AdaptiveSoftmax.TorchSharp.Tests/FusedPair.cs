using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>A fused module in float32 and a composed one of the same weights, in float64 unless said otherwise.</summary>
internal sealed class FusedPair : IDisposable
{
    // Of float32 against float64, as a share of the largest value.
    private const double Tolerance = 2e-5;

    public FusedPair(TorchCase one, ScalarType exactType = ScalarType.Float64, long ignoreIndex = -100, double smoothing = 0, nn.Reduction reduction = nn.Reduction.Mean)
    {
        Fused = one.Create(ScalarType.Float32, ignoreIndex, smoothing, reduction);
        Fused.implementation = SoftmaxImplementation.Fused;
        Exact = one.Create(exactType, ignoreIndex, smoothing, reduction);
        Exact.implementation = SoftmaxImplementation.Composed;
        using var noGradient = no_grad();
        foreach (var (from, to) in Fused.parameters().Zip(Exact.parameters())) to.copy_(from);
    }

    public AdaptiveLogSoftmaxWithLoss Fused { get; }

    public AdaptiveLogSoftmaxWithLoss Exact { get; }

    /// <summary>Compares output, loss and the gradients of some function of both, the input's included.</summary>
    public void AssertSame(Tensor input, Tensor target, Func<Tensor, Tensor, Tensor> function)
    {
        var results = new List<(Tensor, Tensor)>();
        AssertSame(input, target, (module, leaf, classes) =>
        {
            var (output, loss) = module.forward(leaf, classes);
            results.Add((output.detach(), loss.detach()));
            function(output, loss).backward();
        });
        AssertClose("output", results[1].Item1, results[0].Item1);
        AssertClose("loss", results[1].Item2, results[0].Item2);
    }

    /// <summary>Compares the gradients that some code leaves.</summary>
    public void AssertSame(Tensor input, Tensor target, Action<AdaptiveLogSoftmaxWithLoss, Tensor, Tensor> code)
    {
        var actual = Run(Fused, input.to(ScalarType.Float32), target, code);
        var expected = Run(Exact, input.to(ScalarType.Float32).to(Exact.head.weight.dtype), target, code);
        Assert.Equal(expected.Keys, actual.Keys);
        foreach (var (name, value) in expected) AssertClose(name, value, actual[name]);
    }

    public static void AssertClose(string name, Tensor? expected, Tensor? actual)
    {
        Assert.True((expected is null) == (actual is null), $"{name} is {(actual is null ? "absent" : "there")}.");
        if (expected is null || actual is null) return;
        Assert.Equal(expected.shape, actual.shape);
        if (expected.numel() == 0) return;
        var scale = Math.Max(1e-3, expected.abs().max().to(ScalarType.Float64).item<double>());
        var difference = (actual.to(ScalarType.Float64) - expected).abs().max().item<double>();
        Assert.True(difference <= Tolerance * scale, $"{name} differs by {difference} at a scale of {scale}.");
    }

    public void Dispose()
    {
        Fused.Dispose();
        Exact.Dispose();
    }

    private static Dictionary<string, Tensor?> Run(AdaptiveLogSoftmaxWithLoss module, Tensor input, Tensor target, Action<AdaptiveLogSoftmaxWithLoss, Tensor, Tensor> code)
    {
        module.zero_grad();
        var leaf = input.detach().requires_grad_();
        code(module, leaf, target);
        var gradients = module.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.grad);
        gradients["input"] = leaf.grad;
        return gradients;
    }
}
