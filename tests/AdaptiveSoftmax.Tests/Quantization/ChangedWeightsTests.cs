using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>Whatever reads a file into a layer's weights is noticed by a decoder that was derived from them.</summary>
public sealed class ChangedWeightsTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(8, 60, [20, 40], divValue: 2, hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _layer = new(s_layout, seed: 1);
    private readonly float[] _hidden = [.. Enumerable.Range(0, 8).Select(i => 0.3f * (i - 4))];

    public void Dispose()
    {
        _folder.Dispose();
        _layer.Dispose();
    }

    public static TheoryData<string> Writers => [.. s_writers.Keys];

    private static readonly Dictionary<string, Action<DynamicAdaptiveSoftmax, string>> s_writers = new()
    {
        ["a tensor read into a parameter"] = (layer, path) =>
        {
            using var file = WeightsFile.Open(path);
            Assert.True(file.TryGetTensor("tail.1.1.weight", out var tensor));
            file.Read(tensor, layer.Parameters[^1]);
        },
        ["a restored file"] = (layer, path) => layer.Restore(path),
        ["a restored run"] = (layer, path) => new Checkpoint(layer).Restore(path),
        ["a read that fails"] = (layer, path) =>
        {
            using var file = WeightsFile.Open(path);
            using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(stream.Length - 40);
            Assert.True(file.TryGetTensor("tail.1.1.weight", out var tensor));
            Assert.Throws<SafetensorsFormatException>(() => file.Read(tensor, layer.Parameters[^1]));
        },
    };

    [Theory]
    [MemberData(nameof(Writers))]
    public void EveryWayToLoadWeights_IsNoticed(string writer)
    {
        _layer.Save(_folder["file"]);
        using var certified = _layer.Certify();
        Assert.Equal(_layer.Predict(_hidden), certified.Predict(_hidden));
        s_writers[writer](_layer, _folder["file"]);
        Assert.Contains("have changed", Assert.Throws<InvalidOperationException>(() => certified.Predict(_hidden)).Message, StringComparison.Ordinal);
        using var again = _layer.Certify();
        Assert.Equal(_layer.Predict(_hidden), again.Predict(_hidden));
    }
}
