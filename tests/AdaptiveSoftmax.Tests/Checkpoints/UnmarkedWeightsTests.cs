using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>One rule for weights or layers without a fingerprint.</summary>
public sealed class UnmarkedWeightsTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(4, 6, [3], hasHeadBias: true);
    private static readonly SoftmaxIdentity s_identity = new(s_layout, "f00d", "cafe");

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _layer = new(s_layout, seed: 1);
    private readonly DynamicAdaptiveSoftmax _other = new(s_layout, seed: 2);

    public void Dispose()
    {
        _folder.Dispose();
        _layer.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void LayerWithoutAVocabulary_TakesAnyWeightsOfItsSizes()
    {
        AsClass(_layer).Save(_folder["marked"]);
        _other.Restore(_folder["marked"]);
        AssertEqual();
        _layer.Save(_folder["unmarked"]);
        _other.Restore(_folder["unmarked"]);
        SafetensorsWriter.Write(_folder["plain"], _layer.Parameters);
        _other.Restore(_folder["plain"]);
        new Checkpoint(_other).Restore(_folder["plain"]);
    }

    [Fact]
    public void ClassWithAVocabulary_TakesUnmarkedWeightsOnTheCallersWordAlone()
    {
        _layer.Save(_folder["unmarked"]);
        SafetensorsWriter.Write(_folder["plain"], _layer.Parameters);
        foreach (var file in new[] { "unmarked", "plain" })
        {
            var error = Assert.Throws<CheckpointMismatchException>(() => AsClass(_other).Restore(_folder[file]));
            Assert.Contains("no fingerprint", error.Message, StringComparison.Ordinal);
            Assert.Contains("acceptUnmarked", error.Remedy, StringComparison.Ordinal);
            AsClass(_other).Restore(_folder[file], acceptUnmarked: true);
            AssertEqual();
        }
    }

    [Fact]
    public void NoWord_MakesOtherSizesOrAnotherVocabularyFit()
    {
        AsClass(_layer).Save(_folder["marked"]);
        using var larger = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 7, [3], hasHeadBias: true));
        Assert.Contains("vocabulary size: 6", Assert.Throws<CheckpointMismatchException>(() => larger.Restore(_folder["marked"], acceptUnmarked: true)).Message, StringComparison.Ordinal);
        var stranger = new Checkpoint(_other.Parameters, [], s_identity with { Fingerprint = "f11d", VocabularyFingerprint = "babe" });
        Assert.Contains("by slot", Assert.Throws<CheckpointMismatchException>(() => stranger.Restore(_folder["marked"], acceptUnmarked: true)).Message, StringComparison.Ordinal);
    }

    private static Checkpoint AsClass(DynamicAdaptiveSoftmax layer) => new(layer.Parameters, [], s_identity);

    private void AssertEqual()
    {
        foreach (var (expected, actual) in _layer.Parameters.Zip(_other.Parameters)) Assert.Equal(expected.Values.ToArray(), actual.Values.ToArray());
    }
}
