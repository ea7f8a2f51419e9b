using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.Versioning;

namespace AdaptiveSoftmax.Vocabulary.Tests.Files;

[UnsupportedOSPlatform("windows")]
public sealed class UnixFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("adaptive-softmax-");

    public UnixFileTests() => Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes, and links need a permission.");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)]
    [InlineData(UnixFileMode.UserWrite)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.SetGroup)]
    public void FileThatIsReplaced_KeepsItsMode(UnixFileMode mode)
    {
        File.WriteAllText(At("run"), "old");
        File.SetUnixFileMode(At("run"), mode);
        Write(At("run"));
        Assert.Equal(mode, File.GetUnixFileMode(At("run")));
        Assert.Equal(3, new FileInfo(At("run")).Length);
    }

    [Fact]
    public void NewFile_HasTheModeThatOthersOfTheProcessHave()
    {
        File.WriteAllText(At("other"), "");
        Write(At("run"));
        Assert.Equal(File.GetUnixFileMode(At("other")), File.GetUnixFileMode(At("run")));
    }

    [Fact]
    public void FileThatIsReplaced_KeepsItsOwner()
    {
        File.WriteAllText(At("run"), "old");
        Assert.SkipUnless(Run("chown", "12345:23456", At("run")), "Only root can give files away.");
        Write(At("run"));
        Assert.Equal("12345:23456", Run("stat", out var output, "-c", "%u:%g", At("run")) ? output.Trim() : "");
    }

    [Fact]
    public void LinksOfEveryKind_AreFollowed_AndStay()
    {
        Directory.CreateDirectory(At("a/b"));
        Directory.CreateDirectory(At("c"));
        File.CreateSymbolicLink(At("link-to-folder"), At("a/b"));
        File.WriteAllText(At("a/run"), "old");

        // Seen from a/b, which has another name here, the file is in the folder above.
        File.CreateSymbolicLink(At("a/b/second"), "../run");
        File.CreateSymbolicLink(At("c/first"), At("link-to-folder/second"));
        Write(At("c/first"));
        Assert.Equal("new", File.ReadAllText(At("a/run")));
        Assert.Equal("../run", new FileInfo(At("a/b/second")).LinkTarget);
        Assert.NotNull(new FileInfo(At("c/first")).LinkTarget);
        Assert.Equal(["a/b/second", "a/run", "c/first"], Names);
    }

    [Fact]
    public void LinkToNothing_MakesTheFileItNames()
    {
        Directory.CreateDirectory(At("a/b"));
        File.CreateSymbolicLink(At("link-to-folder"), At("a/b"));
        File.CreateSymbolicLink(At("a/b/second"), "../run");
        File.CreateSymbolicLink(At("first"), "link-to-folder/second");
        Write(At("first"));
        Assert.Equal("new", File.ReadAllText(At("a/run")));
        Assert.Equal("../run", new FileInfo(At("a/b/second")).LinkTarget);
    }

    [Fact]
    public void LinkIntoAMissingFolder_NamesTheFolder()
    {
        File.CreateSymbolicLink(At("link"), "no/run");
        Assert.Contains("there is no folder", Assert.Throws<DirectoryNotFoundException>(() => Write(At("link"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LinksInACircle_AreRefused()
    {
        File.CreateSymbolicLink(At("a"), "b");
        File.CreateSymbolicLink(At("b"), "a");
        Assert.Contains("in a circle", Assert.Throws<IOException>(() => Write(At("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HardLink_KeepsTheOldContent()
    {
        File.WriteAllText(At("run"), "old");
        Assert.True(Run("ln", At("run"), At("other")));
        Write(At("run"));
        Assert.Equal("old", File.ReadAllText(At("other")));
        Assert.Equal("new", File.ReadAllText(At("run")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Device_IsWrittenTo_AndStaysADevice(bool throughLink)
    {
        Assert.SkipUnless(Run("mknod", At("device"), "c", "1", "3"), "Only root can make devices.");
        var path = At("device");
        if (throughLink) File.CreateSymbolicLink(path = At("link"), "device");
        Write(path);
        AtomicFile.WriteText(path, writer => writer.Write("text"), Token);
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, _ => throw new InvalidOperationException(), Token));
        Assert.Equal("character special file", Run("stat", out var output, "-c", "%F", At("device")) ? output.Trim() : "");
        Assert.DoesNotContain(Names, name => name.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Fact]
    public void FullDevice_IsAFault_AndStaysADevice()
    {
        Assert.SkipUnless(Run("mknod", At("device"), "c", "1", "7"), "Only root can make devices.");
        Assert.Throws<IOException>(() => Write(At("device")));
        Assert.Equal("character special file", Run("stat", out var output, "-c", "%F", At("device")) ? output.Trim() : "");
    }

    [Fact]
    public async Task Pipe_IsWrittenTo_AndStaysAPipe()
    {
        Assert.True(Run("mkfifo", At("pipe")));
        var reader = Task.Run(() => File.ReadAllText(At("pipe")), Token);
        Write(At("pipe"));
        Assert.Equal("new", await reader);
        Assert.Equal("fifo", Run("stat", out var output, "-c", "%F", At("pipe")) ? output.Trim() : "");
    }

    [Fact]
    public void Socket_IsRefused_AndStays()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(At("socket")));
        Assert.Contains("is a socket", Assert.Throws<IOException>(() => Write(At("socket"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileThatNobodyMayWrite_IsNotReplaced()
    {
        File.WriteAllText(At("run"), "old");
        File.SetUnixFileMode(At("run"), UnixFileMode.UserRead);
        Assert.Contains("chmod u+w", Assert.Throws<UnauthorizedAccessException>(() => Write(At("run"))).Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(At("run")));
        Assert.Equal(["run"], Names);
    }

    private string[] Names =>
        [.. _folder.EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).Where(file => !file.Attributes.HasFlag(FileAttributes.Directory))
            .Select(file => Path.GetRelativePath(_folder.FullName, file.FullName)).Where(name => !name.StartsWith("link-to-folder", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string At(string name) => Path.Combine(_folder.FullName, name);

    private static void Write(string path) => AtomicFile.Write(path, stream => stream.Write("new"u8), Token);

    private static bool Run(string program, params string[] arguments) => Run(program, out _, arguments);

    private static bool Run(string program, out string output, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
