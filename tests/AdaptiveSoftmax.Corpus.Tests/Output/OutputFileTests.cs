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
}
