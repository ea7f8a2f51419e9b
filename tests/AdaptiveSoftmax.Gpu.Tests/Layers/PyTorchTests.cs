using AdaptiveSoftmax.Tests.PyTorch;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>State dicts of PyTorch's own module in the layer on a device, against what that module computed in float64.</summary>
public abstract class PyTorchTests
{
    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void StateDictOfPyTorch_GivesPyTorchsNumbers(string name)
    {
        var fixture = Fixture.Find(name);
        using var layer = new DynamicGpuSoftmax(Accelerator, fixture.Layout, seed: 1);
        layer.Restore(fixture.WeightsFile, acceptUnmarked: true);

        var logProbs = new float[fixture.Tokens * fixture.Layout.VocabularySize];
        layer.LogProb(fixture.Input, logProbs);
        fixture.AssertClose("log_prob", logProbs);
        var predictions = new int[fixture.Tokens];
        layer.Predict(fixture.Input, predictions);
        Assert.Equal(fixture["predict"].Select(token => (int)token), predictions);

        fixture.AssertClose("loss", [layer.Loss(fixture.Input, fixture.Targets)]);
        var gradient = new float[fixture.Input.Length];
        fixture.AssertClose("loss", [layer.Backward(fixture.Input, fixture.Targets, gradient)]);
        fixture.AssertClose("grad.input", gradient);
        foreach (var parameter in layer.Parameters)
        {
            var values = new float[parameter.Rows * parameter.Columns];
            parameter.CopyGradientTo(values);
            fixture.AssertClose($"grad.{parameter.Name}", values);
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClPyTorchTests : PyTorchTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaPyTorchTests : PyTorchTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
