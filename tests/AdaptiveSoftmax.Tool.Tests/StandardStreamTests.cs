using System.Diagnostics;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>Standard streams that cannot be written, and what must not reach them.</summary>
public sealed class StandardStreamTests
{
    [Theory]
    [InlineData("plan none -H 8", "2>&-", 1, "")]
    [InlineData("plan --frob", "2>&-", 1, "")]
    [InlineData("plan none -H 8", "2>full", 1, "")]
    [InlineData("plan --frob", "2>full", 1, "")]
    [InlineData("plan x.tokens -H 8", "2>full >full", 1, "")]
    [InlineData("plan x.tokens -H 8 -o x.softmax.json", ">full", 1, "standard output could not be written")]
    [InlineData("plan x.tokens -H 8 -o x.softmax.json", ">&-", 1, "standard output could not be written")]
    [InlineData("plan --help", ">full", 1, "standard output could not be written")]
    [InlineData("count text.txt -o y.tokens", ">full", 1, "standard output could not be written")]
    [InlineData("drift x.tokens --observed x.tokens --json", ">full", 1, "standard output could not be written")]
    [InlineData("plan x.tokens -H 8 -o x.softmax.json", "2>full", 0, "")]
    public async Task AStreamThatCannotBeWritten_EndsInOneSentence(string line, string redirection, int code, string expected)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "A shell of Unix redirects the streams.");
        using var run = new ToolRun();
        run.Write("x.tokens", "0\t50\ta\n1\t40\tb\n2\t3\tc\n3\t1\td\n");
        run.Write("text.txt", "some text");
        using (var made = Process.Start(new ProcessStartInfo("mknod", ["full", "c", "1", "7"]) { WorkingDirectory = run.Folder, RedirectStandardError = true })!)
        {
            await made.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.SkipWhen(redirection.Contains("full", StringComparison.Ordinal) && made.ExitCode != 0, "Only root can make a device.");
        }

        var command = $"exec '{Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet"}' '{typeof(ToolCommand).Assembly.Location}' {line} {redirection}";
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", command]) { WorkingDirectory = run.Folder, RedirectStandardError = true, RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await output;
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((code, true), (process.ExitCode, error.Contains(expected, StringComparison.Ordinal)));
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        if (expected.Length > 0) Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task NamesThatATerminalWouldObey_AreEscapedEverywhere()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such names.");
        using var run = new ToolRun();
        const string Evil = "x\u001b[31m\nnext\u2028";
        const string Seen = "x\\u001b[31m\\u000anext\\u2028";
        run.Write($"{Evil}.tokens", "0\t50\ta\n1\t40\tb\n2\t3\tc\n3\t1\td\n");
        run.Write($"{Evil}.txt", "some text");
        run.Write($"{Evil}.ranks", string.Concat(Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n")));
        File.Copy(run.Path($"{Evil}.tokens"), run.Path("plain.tokens"));
        await ExpectAsync(0, "plan", run.Path("plain.tokens"), "-H", "8", "-o", run.Path($"{Evil}.softmax.json"));
        await ExpectAsync(1, "plan", run.Path($"{Evil}.tokens"), "-H", "8", "-o", run.Path("y.softmax.json"));
        await ExpectAsync(0, "drift", run.Path($"{Evil}.tokens"), "--observed", run.Path($"{Evil}.tokens"));
        await ExpectAsync(0, "count", run.Path($"{Evil}.txt"), "-e", run.Path($"{Evil}.ranks"), "--split", "gpt2", "-o", run.Path($"{Evil}.y.tokens"));
        await ExpectAsync(1, "plan", run.Path($"{Evil}.txt"), "-H", "8");
        await ExpectAsync(1, "plan", run.Path(Evil), "-H", "8");
        await ExpectAsync(1, "plan", "a", "-H", Evil);
        await ExpectAsync(1, "plan", "a", "-H", "8", Evil);
        await ExpectAsync(1, "inspect", run.Path($"{Evil}.txt"));
        run.Write("bad.tokens", "0\t1\t\u001b\n");
        File.Move(run.Path("bad.tokens"), run.Path($"bad{Evil}.tokens"));
        await ExpectAsync(1, "plan", run.Path($"bad{Evil}.tokens"), "-H", "8");

        async Task ExpectAsync(int code, params string[] arguments)
        {
            Assert.True(code == await run.RunAsync(arguments), run.Error);
            Assert.Contains(Seen, run.Output + run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("\nnext", run.Output + run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain('\u2028', run.Output + run.Error);
        }
    }
}
