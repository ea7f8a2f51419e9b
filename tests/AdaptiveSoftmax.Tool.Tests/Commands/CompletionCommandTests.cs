using System.Diagnostics;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class CompletionCommandTests
{
    [Theory]
    [InlineData("adaptive-softmax pl", "plan")]
    [InlineData("adaptive-softmax plan --for tra", "train")]
    [InlineData("adaptive-softmax plan news.tokens --hid", "--hidden-size")]
    [InlineData("adaptive-softmax count imp", "import")]
    [InlineData("adaptive-softmax calibrate --device openc", "opencl")]
    public async Task Bash_CompletesWhatTheToolKnows(string line, string expected)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no bash.");
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("completion", "bash"));
        var host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        var script = $$"""
            adaptive-softmax() { "{{host}}" "{{typeof(ToolCommand).Assembly.Location}}" "$@"; }
            {{run.Output}}
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_WORDS=({{line}}) COMP_CWORD={{line.Split(' ').Length - 1}}
            _adaptive_softmax
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        using var bash = Process.Start(new ProcessStartInfo("bash", ["-c", script]) { RedirectStandardOutput = true })!;
        var output = await bash.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(expected, output.TrimEnd());
    }

    // What a shell takes for a pattern of files, or for a file.
    [Theory]
    [InlineData("")]
    [InlineData("plan ")]
    [InlineData("calibrate --")]
    public async Task OtherSystemsWaysToAskForHelp_AreNotOffered(string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There they are its own.");
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync($"[suggest:{line.Length}]", line));
        Assert.Contains("--help", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('?', run.Output);
        Assert.DoesNotContain("/h", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("zsh", "compdef _adaptive_softmax adaptive-softmax")]
    [InlineData("fish", "complete -c adaptive-softmax")]
    [InlineData("pwsh", "Register-ArgumentCompleter -Native -CommandName adaptive-softmax")]
    public async Task OtherShells_HaveTheirs(string shell, string expected)
    {
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("completion", shell));
        Assert.Contains(expected, run.Output, StringComparison.Ordinal);
        Assert.Contains("[suggest:", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\r', run.Output);
    }

    [Fact]
    public async Task OtherNames_AreRefusedWithThoseThatThereAre()
    {
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync("completion", "tcsh"));
        foreach (var shell in new[] { "bash", "zsh", "fish", "pwsh" }) Assert.Contains(shell, run.Error, StringComparison.Ordinal);
    }
}
