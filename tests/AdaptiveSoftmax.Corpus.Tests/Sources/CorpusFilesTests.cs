using System.Diagnostics;
using System.Net.Sockets;

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

        Assert.Equal([new(first, CorpusFormat.Text, 3), new(second, CorpusFormat.Text, 2)], CorpusFiles.Find([first, second]).Files);
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
        var error = Assert.Throws<CorpusException>(() => CorpusFiles.Find(["no/such/path"]).Files);
        Assert.Contains("no/such/path does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EmptyFolder_IsAnError()
    {
        using var folder = new TemporaryFolder();

        Assert.Contains("no file to read", Assert.Throws<CorpusException>(() => folder.Files()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.jsonl", "{\"text\":\"hello world\"}\n{\"text\":\"more\"}\n", "is JSON")]
    [InlineData("a.json", "not even JSON", "is called .json")]
    [InlineData("a.txt", "{\"text\":\"hello world\"}", "is JSON")]
    [InlineData("a.txt", "[{\"text\": 1}]", "is JSON")]
    [InlineData("a", "\ufeff { \"hiddenSize\": 64, \"cutoffs\": [1] }", "is a spec")]
    [InlineData("a.tokens", "text", "is called .tokens")]
    [InlineData("a.txt", "0\t5\ta\n1\t4\tb\n", "is a token table")]
    public void FilesOfData_AreNoTextUnlessTheyAreAskedFor(string name, string text, string reason)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, text);
        var error = Assert.Throws<CorpusException>(() => CorpusFiles.Find([path]));
        Assert.StartsWith($"{path} {reason}", error.Message, StringComparison.Ordinal);
        Assert.Contains("--raw", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, Assert.Throws<CorpusException>(() => folder.Files()).Message, StringComparison.Ordinal);

        folder.Write("text.txt", "text");
        var found = CorpusFiles.Find([folder.Path]);
        Assert.EndsWith("text.txt", Assert.Single(found.Files).Path, StringComparison.Ordinal);
        Assert.StartsWith(reason, Assert.Single(found.LeftOut).Reason, StringComparison.Ordinal);
        Assert.Equal(path, Assert.Single(CorpusFiles.Find([path], new CorpusSearch { IsRaw = true }).Files).Path);
        Assert.Equal(2, CorpusFiles.Find([folder.Path], new CorpusSearch { IsRaw = true }).Files.Count);
    }

    [Theory]
    [InlineData("{ braces } in text")]
    [InlineData("[1] A footnote.\n[2] Another.\n")]
    [InlineData("{\n  int x = 1;\n}\n")]
    [InlineData("1\tone\n2\ttwo\n")]
    [InlineData("<p>markup</p>")]
    public void TextThatBeginsLikeData_IsText(string text)
    {
        using var folder = new TemporaryFolder();
        Assert.Single(CorpusFiles.Find([folder.Write("a.txt", text)]).Files);
    }

    [Fact]
    public void AFile_IsTakenOnce_ByWhateverNamesItIsFound()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        using var folder = new TemporaryFolder();
        folder.Write("b/text.txt", "text");
        File.CreateSymbolicLink(folder.At("a-link.txt"), "b/text.txt");
        File.CreateSymbolicLink(folder.At("b/also.txt"), "text.txt");
        Run("ln", folder.At("b/text.txt"), folder.At("z-hard.txt"));

        // What stands in a folder itself comes before links.
        var found = CorpusFiles.Find([folder.Path]);
        Assert.Equal([new(folder.At("b/text.txt"), CorpusFormat.Text, 4)], found.Files);
        Assert.Equal([folder.At("a-link.txt"), folder.At("b/also.txt"), folder.At("z-hard.txt")], found.LeftOut.Select(path => path.Path).Order(StringComparer.Ordinal));
        Assert.All(found.LeftOut, path => Assert.Equal($"is the same as {folder.At("b/text.txt")}", path.Reason));

        // A link that is named is read, as long as the file.
        Assert.Equal([new(folder.At("a-link.txt"), CorpusFormat.Text, 4)], CorpusFiles.Find([folder.At("a-link.txt"), folder.At("b/text.txt"), folder.At("b")]).Files);
        Assert.Equal("is given twice", Assert.Single(CorpusFiles.Find([folder.At("b/text.txt"), folder.At("b/../b/text.txt")]).LeftOut).Reason);
    }

    [Fact]
    public void LinksInCircles_LinksToNothing_PipesAndSockets_AreNamedAndLeftOut()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows, and pipes stand elsewhere.");
        using var folder = new TemporaryFolder();
        folder.Write("a/text.txt", "text");
        Directory.CreateSymbolicLink(folder.At("a/up"), "..");
        Directory.CreateSymbolicLink(folder.At("a/self"), ".");
        Directory.CreateSymbolicLink(folder.At("other"), "a");
        File.CreateSymbolicLink(folder.At("circle"), "circle");
        File.CreateSymbolicLink(folder.At("nothing"), "no/such/file");
        Run("mkfifo", folder.At("pipe"));
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder.At("socket")));
        folder.Write("empty", "");

        var found = CorpusFiles.Find([folder.Path]);
        Assert.Equal([new(folder.At("a/text.txt"), CorpusFormat.Text, 4)], found.Files);
        Assert.Equal(
            [
                (folder.At("a/self"), $"is the same as {folder.At("a")}"),
                (folder.At("a/up"), $"is the same as {folder.Path}"),
                (folder.At("circle"), "is a link to circle, where no file stands"),
                (folder.At("empty"), "is empty"),
                (folder.At("nothing"), "is a link to no/such/file, where no file stands"),
                (folder.At("other"), $"is the same as {folder.At("a")}"),
                (folder.At("pipe"), "is a pipe, a socket or a device"),
                (folder.At("socket"), "is a pipe, a socket or a device"),
            ],
            found.LeftOut.Select(path => (path.Path, path.Reason)).OrderBy(path => path.Path, StringComparer.Ordinal));

        Assert.Contains("is a link to no/such/file", Assert.Throws<CorpusException>(() => CorpusFiles.Find([folder.At("nothing")])).Message, StringComparison.Ordinal);
        Assert.Contains("is a link to circle", Assert.Throws<CorpusException>(() => CorpusFiles.Find([folder.At("circle")])).Message, StringComparison.Ordinal);
        Assert.Contains("it is a pipe or a device", Assert.Throws<CorpusException>(() => CorpusFiles.Find([folder.At("pipe")])).Message, StringComparison.Ordinal);
        Directory.Delete(folder.At("a"), recursive: true);
        Assert.Contains("pipe is a pipe", Assert.Throws<CorpusException>(() => CorpusFiles.Find([folder.Path])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIsToBeWritten_IsLeftOut()
    {
        using var folder = new TemporaryFolder();
        folder.Write("text.txt", "text");
        var output = folder.Write("counts.txt", "0\t5\ta\n");
        var found = CorpusFiles.Find([folder.Path], new CorpusSearch { Output = output, IsRaw = true });
        Assert.EndsWith("text.txt", Assert.Single(found.Files).Path, StringComparison.Ordinal);
        Assert.Equal("is what is to be written", Assert.Single(found.LeftOut).Reason);
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
