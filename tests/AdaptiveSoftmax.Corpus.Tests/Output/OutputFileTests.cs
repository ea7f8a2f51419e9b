using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus.Tests.Output;

public sealed class OutputFileTests
{
    [Fact]
    public void CancelledWrite_LeavesNoFile()
    {
        using var folder = new TemporaryFolder();
        var table = TokenTable.Create([0, 1], [2, 1], ["a"u8.ToArray(), "b"u8.ToArray()]);

        Assert.Throws<OperationCanceledException>(() => OutputFile.WriteTokenTable(Path.Combine(folder.Path, "x.tokens"), table, new CancellationToken(canceled: true)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void WriteThatIsCutOff_LeavesTheOldFileUntilItIsComplete()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x.tokens", "old");

        OutputFile.Write(path, writer =>
        {
            writer.Write(new string('n', 1 << 20));
            writer.Flush();
            // A process killed here would leave this.
            Assert.Equal("old", File.ReadAllText(path));
        });

        Assert.Equal(1 << 20, File.ReadAllText(path).Length);
        Assert.Single(Directory.EnumerateFiles(folder.Path));
    }

    [Fact]
    public void FailedWrite_LeavesTheOldFileAlone()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x.tokens", "old");

        Assert.Throws<InvalidOperationException>(() => OutputFile.Write(path, writer =>
        {
            writer.Write("new");
            throw new InvalidOperationException();
        }));

        Assert.Equal("old", File.ReadAllText(Assert.Single(Directory.EnumerateFiles(folder.Path))));
    }

    [Fact]
    public void MissingFolder_IsAnIOException()
    {
        using var folder = new TemporaryFolder();

        Assert.ThrowsAny<IOException>(() => OutputFile.Write(Path.Combine(folder.Path, "no", "x"), writer => writer.Write("x")));
    }
}
