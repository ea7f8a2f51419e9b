using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What is left of a run in a process of its own that is stopped in the middle.</summary>
public sealed class SignalTests
{
    private const int SignalInterrupt = 2;

    private const string Old = "0\t1\ta\n1\t1\tb\n";

    // Some 200 MB in all: more than one thread counts in the time that a loaded machine may take to deliver a signal.
    private const int Texts = 40;

    [Fact]
    public async Task CtrlC_LeavesNoFileAndExitsWith130()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What another process has open is seen through /proc.");
        using var run = new ToolRun();
        using var work = await Work.StartAsync(run);
        var process = work.Process;

        Assert.Equal(0, Kill(process.Id, SignalInterrupt));
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(130, process.ExitCode);
        Assert.Contains("cancelled", error, StringComparison.Ordinal);
        Assert.Equal(Old, File.ReadAllText(run.Path("x.tokens")));
        Assert.DoesNotContain(run.Files, file => file.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Kill_LeavesTheOldFile()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What another process has open is seen through /proc.");
        using var run = new ToolRun();
        using var work = await Work.StartAsync(run);
        var process = work.Process;

        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(Old, File.ReadAllText(run.Path("x.tokens")));
    }

    [Theory]
    [InlineData("count text.txt -o pipe")]
    [InlineData("plan x.tokens -H 8 -o pipe")]
    [InlineData("convert a.safetensors -o pipe")]
    [InlineData("draft x.tokens --size 2 -o pipe")]
    [InlineData("draft x.tokens --size 2 --token-map pipe")]
    public async Task CtrlC_StopsWhatWaitsForTheReaderOfAPipe(string line)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What another process waits for is seen through /proc.");
        using var run = new ToolRun();
        run.Write("text.txt", "some text");
        run.Write("x.tokens", "0\t50\ta\n1\t40\tb\n2\t3\tc\n");
        using (var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(4, 6, [3]), seed: 1)) layer.Save(run.Path("a.safetensors"));
        using (var made = Process.Start("mkfifo", [run.Path("pipe")])) await made.WaitForExitAsync(TestContext.Current.CancellationToken);
        using (var other = Process.Start(new ProcessStartInfo("sh", ["-c", "exec sleep 1 > pipe"]) { WorkingDirectory = run.Folder })!)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken);
            var isSeen = WaitsForPipe(other.Id);
            other.Kill();
            Assert.SkipUnless(isSeen, "This kernel does not say what a process waits for.");
        }

        // Without the runtime's own pipes, of which one waits as well.
        using var process = ToolProcess.Start(line.Split(' '), new Dictionary<string, string> { ["DOTNET_EnableDiagnostics"] = "0" }, run.Folder);
        try
        {
            while (!WaitsForPipe(process.Id)) await Task.Delay(TimeSpan.FromMilliseconds(5), TestContext.Current.CancellationToken);
            Assert.Equal(0, Kill(process.Id, SignalInterrupt));
            var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal((130, true), (process.ExitCode, error.Contains("cancelled", StringComparison.Ordinal)));
        }
        finally
        {
            process.Kill();
        }
    }

    private static bool WaitsForPipe(int process)
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{process}/task").Any(thread => File.ReadAllText($"{thread}/wchan") == "wait_for_partner");
        }
        catch (IOException)
        {
            // A thread ended meanwhile.
            return false;
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);

    /// <summary>A count that does not end by itself, in a process of its own.</summary>
    private sealed class Work(Process process) : IDisposable
    {
        public Process Process => process;

        /// <summary>Starts it, and waits until it has opened the text.</summary>
        public static async Task<Work> StartAsync(ToolRun run)
        {
            run.Write("x.tokens", Old);
            var text = run.Write("a.txt", string.Concat(Enumerable.Range(0, 200_000).Select(i => $"{i * 7919L} words {i}\n")));
            var more = Enumerable.Range(1, Texts).Select(i => run.Path($"{i}.txt")).ToArray();
            foreach (var copy in more) File.Copy(text, copy);
            var work = new Work(ToolProcess.Start(["count", "--threads", "1", "-o", run.Path("x.tokens"), text, .. more]));
            try
            {
                while (!work.HasOpen(text))
                {
                    Assert.False(work.Process.HasExited, "The count ended before it was stopped.");
                    await Task.Delay(TimeSpan.FromMilliseconds(5), TestContext.Current.CancellationToken);
                }

                return work;
            }
            catch
            {
                work.Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        private bool HasOpen(string file)
        {
            try
            {
                return Directory.EnumerateFileSystemEntries($"/proc/{process.Id}/fd").Any(entry => new FileInfo(entry).LinkTarget == file);
            }
            catch (IOException)
            {
                // The process opened or closed something meanwhile.
                return false;
            }
        }
    }
}
