using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Tests.PyTorch;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>State dicts of PyTorch's own module in the TorchSharp module, both in double precision.</summary>
[Collection(Backend.Collection)]
public sealed class FixtureTests
{
    private const double Tolerance = 1e-12;

    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void StateDictOfPyTorch_GivesPyTorchsNumbers(string name)
    {
        var fixture = Fixture.Find(name);
        using var module = Load(fixture);
        var input = tensor(fixture["input"]).reshape(fixture.Tokens, fixture.Layout.HiddenSize).requires_grad_();
        var target = tensor(fixture.Targets.Select(value => (long)value).ToArray());

        var (output, loss) = module.forward(input, target);
        AssertClose(fixture, "output", output);
        AssertClose(fixture, "loss", loss);
        loss.backward();
        AssertClose(fixture, "grad.input", input.grad!);
        foreach (var (key, parameter) in module.named_parameters()) AssertClose(fixture, $"grad.{key}", parameter.grad ?? zeros_like(parameter));

        using var noGradient = no_grad();
        AssertClose(fixture, "log_prob", module.log_prob(input));
        Assert.Equal(fixture["predict"].Select(value => (long)value), module.predict(input).data<long>().ToArray());
        var one = module.forward(input[0], target[0]);
        AssertClose(fixture, "one.output", one.output);
        AssertClose(fixture, "one.loss", one.loss);
    }

    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void FusedImplementation_GivesPyTorchsNumbers(string name)
    {
        var fixture = Fixture.Find(name);
        using var layer = new DynamicAdaptiveSoftmax(fixture.Layout, seed: 1);
        layer.Restore(fixture.WeightsFile, acceptUnmarked: true);
        using var module = layer.ToTorch();
        module.implementation = SoftmaxImplementation.Fused;
        var input = tensor(fixture.Input).reshape(fixture.Tokens, fixture.Layout.HiddenSize).requires_grad_();
        var (output, loss) = module.forward(input, tensor(fixture.Targets.Select(value => (long)value).ToArray()));
        fixture.AssertClose("output", output.detach().data<float>().ToArray());
        fixture.AssertClose("loss", [loss.item<float>()]);
        loss.backward();
        fixture.AssertClose("grad.input", input.grad!.data<float>().ToArray());
        foreach (var (key, parameter) in module.named_parameters()) fixture.AssertClose($"grad.{key}", (parameter.grad ?? zeros_like(parameter)).contiguous().data<float>().ToArray());
    }

    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void NamesAndShapes_ArePyTorchs(string name)
    {
        var fixture = Fixture.Find(name);
        using var module = new AdaptiveLogSoftmaxWithLoss(fixture.Layout.HiddenSize, fixture.Layout.VocabularySize, [.. fixture.Cutoffs.Select(cutoff => (long)cutoff)], fixture.DivValue, fixture.Layout.HasHeadBias);
        Assert.Equal(fixture.Shapes.Keys.Order(), module.state_dict().Keys.Order());
        foreach (var (key, value) in module.state_dict()) Assert.Equal(fixture.Shapes[key], value.shape);
    }

    private static AdaptiveLogSoftmaxWithLoss Load(Fixture fixture)
    {
        using var layer = new DynamicAdaptiveSoftmax(fixture.Layout, seed: 1);
        layer.Restore(fixture.WeightsFile, acceptUnmarked: true);
        var module = layer.ToTorch(dtype: ScalarType.Float64);
        using var noGradient = no_grad();
        foreach (var (key, parameter) in module.named_parameters())
        {
            // The layer has float32, and what it read of a state dict in float64 is the nearest to it.
            if (!fixture.Has($"weight.{key}")) continue;
            var exact = tensor(fixture[$"weight.{key}"]).reshape(parameter.shape);
            Assert.True(allclose(exact, parameter, 1e-7, 1e-9), key);
            parameter.copy_(exact);
        }

        return module;
    }

    private static void AssertClose(Fixture fixture, string name, Tensor actual) =>
        fixture.AssertClose(name, actual.detach().contiguous().data<double>().ToArray(), Tolerance);
}
