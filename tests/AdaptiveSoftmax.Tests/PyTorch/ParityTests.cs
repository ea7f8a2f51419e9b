namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>State dicts of PyTorch's own module in the layer on the CPU, against what that module computed in float64.</summary>
public sealed class ParityTests
{
    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void StateDictOfPyTorch_GivesPyTorchsNumbers(string name)
    {
        var fixture = Fixture.Find(name);
        using var layer = new DynamicAdaptiveSoftmax(fixture.Layout, seed: 1);
        layer.Restore(fixture.WeightsFile, acceptUnmarked: true);

        var logProbs = new float[fixture.Tokens * fixture.Layout.VocabularySize];
        layer.LogProb(fixture.Input, logProbs);
        fixture.AssertClose("log_prob", logProbs);
        var predictions = new int[fixture.Tokens];
        layer.Predict(fixture.Input, predictions);
        Assert.Equal(fixture["predict"].Select(token => (int)token), predictions);

        var outputs = new float[fixture.Tokens];
        var loss = layer.Forward(fixture.Input, fixture.Targets, outputs);
        fixture.AssertClose("output", outputs);
        fixture.AssertClose("loss", [loss]);

        var gradient = new float[fixture.Input.Length];
        fixture.AssertClose("loss", [layer.Backward(fixture.Input, fixture.Targets, gradient)]);
        fixture.AssertClose("grad.input", gradient);
        foreach (var parameter in layer.Parameters)
            fixture.AssertClose($"grad.{parameter.Name}", parameter.HasGradient ? parameter.Gradient : new float[parameter.Count]);
    }

    // A vector of one dimension is a batch of one row.
    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void OneHiddenVector_GivesWhatPyTorchGivesForOneDimension(string name)
    {
        var fixture = Fixture.Find(name);
        using var layer = new DynamicAdaptiveSoftmax(fixture.Layout, seed: 1);
        layer.Restore(fixture.WeightsFile, acceptUnmarked: true);
        var hidden = fixture.Input.AsSpan(0, fixture.Layout.HiddenSize);
        var output = new float[1];
        var loss = layer.Forward(hidden, fixture.Targets.AsSpan(0, 1), output);
        fixture.AssertClose("one.output", output);
        fixture.AssertClose("one.loss", [loss]);
        Assert.Equal((int)fixture["predict"][0], layer.Predict(hidden));
    }

    [Theory]
    [MemberData(nameof(Fixture.Names), MemberType = typeof(Fixture))]
    public void NamesAndShapes_ArePyTorchs(string name)
    {
        var fixture = Fixture.Find(name);
        using var layer = new DynamicAdaptiveSoftmax(fixture.Layout, seed: 1);
        Assert.Equal(fixture.Shapes.Keys, layer.Parameters.Select(parameter => parameter.Name));
        foreach (var parameter in layer.Parameters) Assert.Equal(fixture.Shapes[parameter.Name], WeightsContent.GetShape(parameter));
    }
}
