namespace AdaptiveSoftmax.Corpus.Tests;

/// <summary>A folder that is removed with all it holds.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("adaptive-softmax-").FullName;

    public string At(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text) => Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        var path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public IReadOnlyList<CorpusFile> Files(CorpusFormat format = CorpusFormat.Text, string? pattern = null) => CorpusFiles.Find([Path], new CorpusSearch { Format = format, Pattern = pattern }).Files;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
