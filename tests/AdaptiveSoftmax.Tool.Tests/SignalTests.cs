using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What is left of a run in a process of its own that is stopped in the middle.</summary>
public sealed class SignalTests
{
    private const int SignalInterrupt = 2;

    [Fact]
    public async Task CtrlC_LeavesNoFileAndExitsWith130()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What another process has open is seen through /proc.");
        using var run = new ToolRun();
        using var process = await StartWorking(run);

        Assert.Equal(0, Kill(process.Id, SignalInterrupt));
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(130, process.ExitCode);
        Assert.Contains("cancelled", error, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(run.Path("x.tokens")));
        Assert.DoesNotContain(run.Files, file => file.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Kill_LeavesTheOldFile()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What another process has open is seen through /proc.");
        using var run = new ToolRun();
        using var process = await StartWorking(run);

        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal("old", File.ReadAllText(run.Path("x.tokens")));
    }

    /// <summary>Starts a count that takes seconds, and waits until it has opened the text.</summary>
    private static async Task<Process> StartWorking(ToolRun run)
    {
        run.Write("x.tokens", "old");
        var text = run.Write("news/a.txt", string.Concat(Enumerable.Range(0, 5_000_000).Select(i => $"{i * 7919L} words {i}\n")));
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var argument in new[] { typeof(CommandLine).Assembly.Location, "count", run.Path("news"), "--threads", "1", "-o", run.Path("x.tokens") }) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        while (!IsOpen(process, text))
        {
            Assert.False(process.HasExited, "The count ended before it was stopped.");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TestContext.Current.CancellationToken);
        }

        return process;
    }

    private static bool IsOpen(Process process, string file)
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

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);
}
