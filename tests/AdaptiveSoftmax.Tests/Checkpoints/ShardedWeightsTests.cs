using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>Models in several files with an index.</summary>
public sealed class ShardedWeightsTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _saved = new(SoftmaxLayout.Create(4, 6, [3], hasHeadBias: false), seed: 1);
    private readonly DynamicAdaptiveSoftmax _other = new(SoftmaxLayout.Create(4, 6, [3], hasHeadBias: false), seed: 2);

    public void Dispose()
    {
        _folder.Dispose();
        _saved.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData(true, WeightsFormat.Safetensors)]
    [InlineData(false, WeightsFormat.Safetensors)]
    [InlineData(true, WeightsFormat.PyTorch)]
    [InlineData(false, WeightsFormat.PyTorch)]
    public void IndexOrFolder_OpensAllFiles(bool byFolder, WeightsFormat format)
    {
        Save(format);
        _other.Restore(byFolder ? Path.GetDirectoryName(_folder["x"])! : _folder[Index], acceptUnmarked: true);
        foreach (var (expected, actual) in _saved.Parameters.Zip(_other.Parameters)) Assert.Equal(expected.Values.ToArray(), actual.Values.ToArray());
        using var file = WeightsFile.Open(_folder[Index]);
        Assert.Equal(["head.weight", "tail.0.0.weight", "tail.0.1.weight"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Contains("in 2 files", file.Format, StringComparison.Ordinal);
    }

    [Fact]
    public void Checkpoint_IsRestoredFromSeveralFiles()
    {
        Save(WeightsFormat.Safetensors);
        new Checkpoint(_other).Restore(_folder[Index], acceptUnmarked: true);
        foreach (var (expected, actual) in _saved.Parameters.Zip(_other.Parameters)) Assert.Equal(expected.Values.ToArray(), actual.Values.ToArray());
    }

    [Fact]
    public void FolderOfOneFile_OpensIt_AndOfSeveralNamesThem()
    {
        var folder = Path.GetDirectoryName(_folder["x"])!;
        Assert.Contains("has no weights", Assert.Throws<FileNotFoundException>(() => WeightsFile.Open(folder)).Message, StringComparison.Ordinal);
        _saved.Save(_folder["weights.safetensors"]);
        WeightsFile.Open(folder).Dispose();
        _saved.Save(_folder["more.safetensors"]);
        Assert.Contains("more.safetensors, weights.safetensors", Assert.Throws<IOException>(() => WeightsFile.Open(folder)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "weight_map")]
    [InlineData("\uFEFF {\"weight_map\": 3}", "no object")]
    [InlineData("{\n \"weight_map\": {\"head.weight\": 3}}", "names no file")]
    [InlineData("{\"weight_map\": {\"head.weight\": \"no.safetensors\"}}", "not beside it")]
    [InlineData("{\"weight_map\": {\"head.weight\": \"../1.safetensors\"}}", "not beside it")]
    [InlineData("{\"weight_map\": {\"head.weight\": \"/1.safetensors\"}}", "not beside it")]
    [InlineData("{\"weight_map\": {\"head.weight\": \"2.safetensors\"}}", "does not have it")]
    [InlineData("{\"weight_map\": {\"head.weight\": \"1.safetensors\", \"head.weight\": \"1.safetensors\"}}", "twice")]
    [InlineData("{\"weight_map\": {\"head.weight\": \"model.safetensors.index.json\"}}", "several files")]
    [InlineData("{\"weight_map\": {\"head.weight\": ", "JSON")]
    public void IndexThatIsNotSound_IsRefusedByName(string index, string says)
    {
        Save(WeightsFormat.Safetensors);
        File.WriteAllText(_folder[Index], index);
        var error = Assert.ThrowsAny<WeightsFormatException>(() => WeightsFile.Open(_folder[Index]).Dispose());
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(_folder[Index], error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileOutsideTheFolder_IsNotOpened_EvenIfItIsThere()
    {
        Save(WeightsFormat.Safetensors);
        var inner = Directory.CreateDirectory(_folder["inner"]).FullName;
        var index = Path.Combine(inner, Index);
        foreach (var name in new[] { "../1.safetensors", _folder["1.safetensors"] })
        {
            File.WriteAllText(index, "{\"weight_map\": {\"head.weight\": \"" + name.Replace('\\', '/') + "\"}}");
            Assert.Contains("not beside it", Assert.Throws<WeightsFormatException>(() => WeightsFile.Open(index)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void OneTensorInTwoFiles_IsTheOneThatTheIndexNames()
    {
        Save(WeightsFormat.Safetensors);
        SafetensorsWriter.Write(_folder["2.safetensors"], _saved.Parameters);
        WeightsFile.Open(_folder[Index]).Dispose();
        File.WriteAllText(_folder[Index], """{"weight_map":{"tail.0.0.weight":"1.safetensors","tail.0.1.weight":"2.safetensors"}}""");
        Assert.Contains("in two of the files", Assert.Throws<WeightsFormatException>(() => WeightsFile.Open(_folder[Index])).Message, StringComparison.Ordinal);
    }

    private void Save(WeightsFormat format)
    {
        new Checkpoint([_saved.Parameters[0]]).Save(_folder["1.safetensors"], format);
        new Checkpoint([.. _saved.Parameters.Skip(1)]).Save(_folder["2.safetensors"], format);
        File.WriteAllText(_folder[Index], """
            {
              "metadata": {"total_size": 124, "more": [{}, [1]]},
              "weight_map": {"head.weight": "1.safetensors", "tail.0.0.weight": "2.safetensors", "tail.0.1.weight": "2.safetensors"}
            }
            """);
    }
}
