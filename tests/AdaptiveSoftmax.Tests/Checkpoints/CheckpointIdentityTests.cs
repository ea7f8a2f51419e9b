using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

public sealed class CheckpointIdentityTests : IDisposable
{
    private static readonly SoftmaxIdentity s_identity = new(SoftmaxLayout.Create(16, 100, [10, 40]), "f00d", "beef");

    private readonly TemporaryFolder _folder = new();
    private readonly Parameter _weight = new("head.weight", 2, 3);

    public void Dispose()
    {
        _weight.Dispose();
        _folder.Dispose();
    }

    public static TheoryData<string, string[]> Others => new()
    {
        { "hidden", ["hidden size: 16 in the file, 32 in the class", "projections: [4, 1] in the file, [8, 2] in the class"] },
        { "cutoffs", ["cutoffs: [10, 40] in the file, [10, 50] in the class"] },
        { "clusters", ["cutoffs: [10, 40] in the file, [10] in the class", "projections: [4, 1] in the file, [4] in the class"] },
        { "projections", ["projections: [4, 1] in the file, [4, 2] in the class"] },
        { "bias", ["head bias: absent in the file, present in the class"] },
        { "vocabulary size", ["vocabulary size: 100 in the file, 101 in the class", "vocabulary (ids or tokens, by slot): beef in the file, cafe in the class"] },
        { "vocabulary", ["vocabulary (ids or tokens, by slot): beef in the file, cafe in the class"] },
        { "fingerprint", ["fingerprint: f00d in the file, f00e in the class"] },
    };

    [Theory]
    [MemberData(nameof(Others))]
    public void OtherIdentity_IsRefusedWithEveryDifference(string what, string[] differences)
    {
        var other = what switch
        {
            "hidden" => new SoftmaxIdentity(SoftmaxLayout.Create(32, 100, [10, 40]), "f", "beef"),
            "cutoffs" => new SoftmaxIdentity(SoftmaxLayout.Create(16, 100, [10, 50]), "f", "beef"),
            "clusters" => new SoftmaxIdentity(SoftmaxLayout.Create(16, 100, [10]), "f", "beef"),
            "projections" => new SoftmaxIdentity(SoftmaxLayout.Create(16, 100, [10, 40], [4, 2]), "f", "beef"),
            "bias" => new SoftmaxIdentity(SoftmaxLayout.Create(16, 100, [10, 40], hasHeadBias: true), "f", "beef"),
            "vocabulary size" => new SoftmaxIdentity(SoftmaxLayout.Create(16, 101, [10, 40]), "f", "cafe"),
            "vocabulary" => new SoftmaxIdentity(SoftmaxLayout.Create(16, 100, [10, 40]), "f", "cafe"),
            _ => s_identity with { Fingerprint = "f00e" },
        };
        var path = Save();
        _weight.WritableValues.Fill(5);
        var error = Assert.Throws<CheckpointMismatchException>(() => new Checkpoint([_weight], [], other).Restore(path));
        Assert.Equal(differences, error.Differences);
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("spec and token table", error.Message, StringComparison.Ordinal);
        Assert.Equal(-1, _weight.Values.IndexOfAnyExcept(5f));
    }

    [Fact]
    public void SameIdentity_IsAccepted()
    {
        var path = Save();
        _weight.WritableValues.Fill(5);
        new Checkpoint([_weight], [], s_identity with { }).Restore(path);
        Assert.Equal(-1, _weight.Values.IndexOfAnyExcept(0f));
    }

    [Fact]
    public void FullSoftmax_HasAnIdentityToo()
    {
        var identity = new SoftmaxIdentity(SoftmaxLayout.CreateFull(16, 100), "f", "v");
        new Checkpoint([_weight], [], identity).Save(_folder["a"]);
        new Checkpoint([_weight], [], identity).Restore(_folder["a"]);
    }

    [Fact]
    public void WeightsWithoutFingerprint_AreTakenOnlyOnTheCallersWord()
    {
        SafetensorsWriter.Write(_folder["a"], [_weight]);
        _weight.WritableValues.Fill(5);
        var checkpoint = new Checkpoint([_weight], [], s_identity);
        var error = Assert.Throws<CheckpointMismatchException>(() => checkpoint.Restore(_folder["a"]));
        Assert.Contains("acceptUnmarked", error.Remedy, StringComparison.Ordinal);
        Assert.Equal(-1, _weight.Values.IndexOfAnyExcept(5f));
        checkpoint.Restore(_folder["a"], acceptUnmarked: true);
        Assert.Equal(-1, _weight.Values.IndexOfAnyExcept(0f));
    }

    [Fact]
    public void LaterVersionOfTheLayout_IsRefused()
    {
        var path = Save();
        var bytes = File.ReadAllBytes(path);
        "version\\\":2"u8.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf("version\\\":1"u8)));
        File.WriteAllBytes(path, bytes);
        var error = Assert.Throws<CheckpointMismatchException>(() => new Checkpoint([_weight], [], s_identity).Restore(path));
        Assert.Contains("version 2", error.Message, StringComparison.Ordinal);
    }

    private string Save()
    {
        new Checkpoint([_weight], [], s_identity).Save(_folder["a"]);
        return _folder["a"];
    }
}
