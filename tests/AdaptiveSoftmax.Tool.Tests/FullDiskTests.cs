using System.Diagnostics;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>A disk without space for what is written, which a namespace of its own has without root.</summary>
public sealed class FullDiskTests
{
    private const string Script = """
        mount -t tmpfs -o size=1m none "$1" || exit 99
        printf '0\t1\ta\n1\t1\tb\n' > "$1/x.tokens"
        "$2" "$3" count "$4" -o "$1/x.tokens"
        echo "rc $?"
        ls "$1"
        cat "$1/x.tokens"
        """;

    [Fact]
    public async Task FullDisk_IsSaidAndLosesNothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has such namespaces.");
        using var run = new ToolRun();
        Directory.CreateDirectory(run.Path("disk"));
        var text = run.Write("a.txt", "text");
        var start = new ProcessStartInfo("unshare") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { "--map-root-user", "--mount", "sh", "-c", Script, "sh", run.Path("disk"), "dotnet", Path.Combine(AppContext.BaseDirectory, "AdaptiveSoftmax.Tool.dll"), text }) start.ArgumentList.Add(argument);
        using var process = TryStart(start);
        Assert.SkipWhen(process is null, "There is no unshare.");
        var output = await process!.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.SkipWhen(process.ExitCode != 0 && !output.Contains("rc ", StringComparison.Ordinal), "This system gives no file system of one's own: " + error);

        Assert.Equal("rc 1\nx.tokens\n0\t1\ta\n1\t1\tb\n", output);
        Assert.Contains("No space left on device", error, StringComparison.Ordinal);
        Assert.Contains("x.tokens", error, StringComparison.Ordinal);
    }

    private static Process? TryStart(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
