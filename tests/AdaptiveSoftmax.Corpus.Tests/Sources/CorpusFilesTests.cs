namespace AdaptiveSoftmax.Corpus.Tests.Sources;

public sealed class CorpusFilesTests
{
    [Fact]
    public void Folder_GivesItsFilesInOrderOfPaths()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "b", "a/z", "a.txt", "a/b/c", "B", ".hidden" }) folder.Write(name, "text");

        var found = folder.Files().Select(file => Path.GetRelativePath(folder.Path, file.Path).Replace('\\', '/'));

        Assert.Equal(["B", "a/b/c", "a/z", "a.txt", "b"], found);
    }

    [Fact]
    public void Paths_KeepTheirOrder()
    {
        using var folder = new TemporaryFolder();
        var second = folder.Write("1", "12");
        var first = folder.Write("2", "123");

        Assert.Equal([new(first, CorpusFormat.Text, 3), new(second, CorpusFormat.Text, 2)], CorpusFiles.Find([first, second], CorpusFormat.Text));
    }

    [Fact]
    public void Pattern_ChoosesNamesInFolders()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.md", "text");
        folder.Write("a.bin", [0]);

        Assert.EndsWith("a.md", Assert.Single(folder.Files(pattern: "*.md")).Path, StringComparison.Ordinal);
    }

    [Fact]
    public void FolderOfXmlDocumentation_LeavesOtherXmlOut()
    {
        using var folder = new TemporaryFolder();
        folder.Write("FrameworkList.xml", "<FileList/>");
        folder.Write("readme.txt", "text");
        folder.Write("A.xml", "<?xml version='1.0'?><doc/>");

        Assert.EndsWith("A.xml", Assert.Single(folder.Files(CorpusFormat.XmlDoc)).Path, StringComparison.Ordinal);
    }

    [Fact]
    public void MissingPath_IsAnErrorThatNamesIt()
    {
        var error = Assert.Throws<CorpusException>(() => CorpusFiles.Find(["no/such/path"], CorpusFormat.Text));
        Assert.Contains("no/such/path does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EmptyFolder_IsAnError()
    {
        using var folder = new TemporaryFolder();

        Assert.Contains("no file to read", Assert.Throws<CorpusException>(() => folder.Files()).Message, StringComparison.Ordinal);
    }
}
