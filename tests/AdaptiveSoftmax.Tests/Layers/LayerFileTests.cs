using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Layers;

/// <summary>Weights of a layer in files.</summary>
public sealed class LayerFileTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, 50, [10, 30], hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _saved = new(s_layout, seed: 3);
    private readonly DynamicAdaptiveSoftmax _other = new(s_layout, seed: 4);

    public void Dispose()
    {
        _saved.Dispose();
        _other.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Restore_GivesBackEveryBit()
    {
        var path = _folder["weights.safetensors"];
        _saved.Save(path);
        _other.Restore(path);
        foreach (var (expected, actual) in _saved.Parameters.Zip(_other.Parameters)) Assert.True(expected.Values.SequenceEqual(actual.Values), expected.Name);
    }

    [Fact]
    public void Restore_TakesTheLayerOutOfAWholeModel()
    {
        var path = _folder["model.safetensors"];
        using var body = new Parameter("body.weight", 3, 4);
        new Checkpoint(_saved, [body]).Save(path);
        _other.Restore(path);
        Assert.True(_saved.Parameters[0].Values.SequenceEqual(_other.Parameters[0].Values));
    }

    [Fact]
    public void OtherSizes_AreRefusedAndChangeNothing()
    {
        var path = _folder["weights.safetensors"];
        _saved.Save(path);
        using var wider = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 50, [10, 40], hasHeadBias: true), seed: 5);
        using var same = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 50, [10, 40], hasHeadBias: true), seed: 5);
        Assert.Throws<CheckpointMismatchException>(() => wider.Restore(path));
        foreach (var (expected, actual) in same.Parameters.Zip(wider.Parameters)) Assert.True(expected.Values.SequenceEqual(actual.Values), expected.Name);
    }

    [Fact]
    public void Prefix_StandsBeforeEachNameAndIsAskedForByName()
    {
        const string Prefix = "decoder.softmax.";
        var path = _folder["model.safetensors"];
        _saved.Save(path, Prefix);
        using (var reader = SafetensorsReader.Open(path))
            Assert.Equivalent(_saved.Parameters.Select(parameter => Prefix + parameter.Name), reader.Tensors.Select(tensor => tensor.Name), strict: true);
        var before = _other.Parameters[0].Values.ToArray();
        var error = Assert.Throws<CheckpointMismatchException>(() => _other.Restore(path));
        Assert.Contains("prefix: \"decoder.softmax.\"", error.Remedy, StringComparison.Ordinal);
        Assert.Equal(before, _other.Parameters[0].Values.ToArray());
        _other.Restore(path, prefix: Prefix);
        foreach (var (expected, actual) in _saved.Parameters.Zip(_other.Parameters)) Assert.True(expected.Values.SequenceEqual(actual.Values), expected.Name);
    }

    [Fact]
    public void BiasThatTheClassLacks_IsRefusedRatherThanDropped()
    {
        var path = _folder["biased.safetensors"];
        SafetensorsWriter.Write(path, _saved.Parameters);
        using var unbiased = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 50, [10, 30]), seed: 5);
        var before = unbiased.Parameters[0].Values.ToArray();
        var error = Assert.Throws<CheckpointMismatchException>(() => unbiased.Restore(path, acceptUnmarked: true));
        Assert.Contains("head.bias", Assert.Single(error.Differences), StringComparison.Ordinal);
        Assert.Equal(before, unbiased.Parameters[0].Values.ToArray());
    }
}
