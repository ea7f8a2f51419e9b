using System.Diagnostics;

namespace AdaptiveSoftmax.Vocabulary.Tests.Files;

public sealed class FileIdTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void AFile_IsTheSameThroughEveryName()
    {
        File.WriteAllText(At("a"), "1");
        File.WriteAllText(At("b"), "1");
        Directory.CreateDirectory(At("folder"));
        Assert.NotNull(FileId.Find(At("a")));
        Assert.Equal(FileId.Find(At("a")), FileId.Find(At("folder/../a")));
        Assert.NotEqual(FileId.Find(At("a")), FileId.Find(At("b")));
        Assert.NotEqual(FileId.Find(At("a")), FileId.Find(At("folder")));
        Assert.Null(FileId.Find(At("none")));

        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        File.CreateSymbolicLink(At("link"), "a");
        File.CreateSymbolicLink(At("folder/second"), "../link");
        using (var process = Process.Start("ln", [At("a"), At("hard")])) process.WaitForExit();
        Directory.CreateSymbolicLink(At("other"), At("folder"));
        File.CreateSymbolicLink(At("circle"), At("circle"));
        Assert.Equal(FileId.Find(At("a")), FileId.Find(At("other/second")));
        Assert.Equal(FileId.Find(At("a")), FileId.Find(At("hard")));
        Assert.Equal(FileId.Find(At("folder")), FileId.Find(At("other")));
        Assert.Null(FileId.Find(At("circle")));
    }

    [Fact]
    public void Ids_AreThoseOfTheSystem()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The command stat of Linux is asked.");
        File.WriteAllText(At("a"), "1");
        using var process = Process.Start(new ProcessStartInfo("stat", ["-c", "%d %i", At("a")]) { RedirectStandardOutput = true })!;
        var id = FileId.Find(At("a"))!.Value;
        Assert.Equal($"{id.Disk} {id.Number}", process.StandardOutput.ReadToEnd().Trim());
    }

    private string At(string name) => Path.Combine(_folder, name);
}
