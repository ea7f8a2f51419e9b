using System.Diagnostics;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What is read is a regular file: whatever else stands there is refused with its kind, and nothing waits for it.</summary>
public sealed class InputTests
{
    private const string Table = "0\t50\ta\n1\t40\tb\n2\t3\tc\n3\t1\td\n";

    [Theory]
    [InlineData("plan @ -H 8")]
    [InlineData("inspect @")]
    [InlineData("convert @ -o out")]
    [InlineData("drift @ --observed x.tokens")]
    [InlineData("drift x.tokens --observed @.tokens")]
    [InlineData("drift x.tokens --observed x.tokens --spec @")]
    [InlineData("inspect a.safetensors --spec @")]
    [InlineData("convert a.safetensors --spec @ -o out")]
    [InlineData("inspect spec-table.safetensors --spec table.softmax.json")]
    [InlineData("count -e @ --split gpt2 text.txt -o out")]
    [InlineData("count @ -o out")]
    [InlineData("inspect model.index.json")]
    [InlineData("convert model.index.json -o out")]
    public async Task APipeOrDevice_IsRefused(string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Pipes stand elsewhere on Windows.");
        foreach (var (kind, expected) in new[] { ("pipe", "a pipe"), ("device", "a device") })
        {
            using var run = new ToolRun();
            run.Write("x.tokens", Table);
            run.Write("text.txt", "some text");
            run.Write("table.softmax.json", $$"""{ "hiddenSize": 8, "vocabulary": "{{kind}}", "cutoffs": [1] }""");
            run.Write("model.index.json", $$"""{ "weight_map": { "a": "{{kind}}" } }""");
            using (var parameter = new Parameter("a", 1, 1)) SafetensorsWriter.Write(run.Path("a.safetensors"), [parameter]);
            File.Copy(run.Path("a.safetensors"), run.Path("spec-table.safetensors"));
            if (kind == "pipe") Assert.True(TryStart("mkfifo", run.Path(kind)));
            // With the numbers of /dev/zero, which never ends.
            else if (!TryStart("mknod", run.Path(kind), "c", "1", "5")) continue;
            File.CreateSymbolicLink(run.Path($"{kind}.tokens"), kind);
            var names = new[] { "x.tokens", "a.safetensors", "spec-table.safetensors", "table.softmax.json", "text.txt", "model.index.json", "out" };

            Assert.Equal(1, await run.RunAsync([.. line.Replace("@", run.Path(kind), StringComparison.Ordinal).Split(' ').Select(word => names.Contains(word) ? run.Path(word) : word)]));
            Assert.Contains(expected, run.Error, StringComparison.Ordinal);
            Assert.Contains(kind, run.Error, StringComparison.Ordinal);
            Assert.False(File.Exists(run.Path("out")));
        }
    }

    [Theory]
    [InlineData("plan @ -H 8")]
    [InlineData("inspect @")]
    [InlineData("convert @ -o out")]
    [InlineData("count -e @ --split gpt2 x.tokens --raw -o out")]
    public async Task LinksInACircle_AreSaid(string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        using var run = new ToolRun();
        run.Write("x.tokens", Table);
        File.CreateSymbolicLink(run.Path("a"), "b");
        File.CreateSymbolicLink(run.Path("b"), "a");
        Assert.Equal(1, await run.RunAsync([.. line.Split(' ').Select(word => word switch { "@" => run.Path("a"), "x.tokens" or "out" => run.Path(word), _ => word })]));
        Assert.Contains("is a link to b, which leads in a circle", run.Error, StringComparison.Ordinal);
    }

    private static bool TryStart(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
