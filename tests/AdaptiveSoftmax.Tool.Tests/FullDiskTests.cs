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

    // A disk that is full but for what is to be written over.
    private const string FilledScript = """
        mount -t tmpfs -o size=256k none "$1" || exit 99
        cp "$2" "$1/out"
        head -c 1m /dev/zero > "$1/filler" 2> "$1/none"
        disk="$1"; old="$2"; shift 2
        "$@" > /dev/null
        echo "rc $?"
        ls "$disk"
        cmp "$old" "$disk/out" && echo same
        """;

    // A disk that is there to be read: its folders take nothing, not even from root.
    private const string ReadOnlyScript = """
        mount -t tmpfs -o size=256k none "$1" || exit 99
        cp "$2" "$1/out"
        mount -o remount,ro "$1" || exit 99
        disk="$1"; old="$2"; shift 2
        "$@" > /dev/null
        echo "rc $?"
        ls "$disk"
        cmp "$old" "$disk/out" && echo same
        """;

    [Theory]
    [InlineData("plan @news.tokens --hidden-size 16 --force --output @disk/out")]
    [InlineData("plan @news.tokens --hidden-size 16 --force --report @disk/out")]
    [InlineData("evaluate @states.safetensors --weights @news.safetensors --spec @news.softmax.json --force --report @disk/out")]
    [InlineData("draft @news.tokens --size 20 --force --output @disk/out")]
    [InlineData("draft @news.tokens --size 20 --lm-head @head.safetensors --force --output @disk/out")]
    [InlineData("draft @news.tokens --size 20 --force --token-map @disk/out")]
    [InlineData("draft @news.tokens --size 20 --force --report @disk/out")]
    [InlineData("drift @news.tokens --observed @other.tokens --spec @news.softmax.json --force --report @disk/out")]
    [InlineData("drift @news.tokens --observed @seen.tokens --spec @news.softmax.json --force --replan @disk/out")]
    [InlineData("migrate @news.safetensors --from @news.softmax.json --to @other.softmax.json --force --output @disk/out")]
    public async Task FullDisk_LeavesWhatWasToBeWrittenOver(string line)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has such namespaces.");
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        files.WriteSpec("other", [30]);
        var table = files.Definition.Table;
        using (var head = new Parameter("lm_head.weight", 1001, 8)) SafetensorsWriter.Write(run.Path("head.safetensors"), [head]);
        run.Write("seen.tokens", string.Concat(Enumerable.Range(0, 80).Reverse().Select(slot => FormattableString.Invariant($"{table.GetId(slot)}\t{1000 + slot}\tw{slot}\n"))));
        Directory.CreateDirectory(run.Path("disk"));
        var old = run.Write("old", "{ \"hiddenSize\": 16 }");
        var (output, error) = await RunAsync(FilledScript, [run.Path("disk"), old, "dotnet", Path.Combine(AppContext.BaseDirectory, "AdaptiveSoftmax.Tool.dll"), .. line.Split(' ').Select(word => word.StartsWith('@') ? run.Path(word[1..]) : word)]);
        Assert.Equal("rc 1\nfiller\nnone\nout\nsame\n", output);
        Assert.Contains("No space left on device", error, StringComparison.Ordinal);
        Assert.Contains(run.Path("disk/out"), error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("out")]
    [InlineData("new")]
    public async Task ReadOnlyFolder_IsSaid_AndStaysAsItWas(string name)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has such namespaces.");
        using var run = new ToolRun();
        _ = new EvaluationFiles(run);
        Directory.CreateDirectory(run.Path("disk"));
        var old = run.Write("old", "{ \"hiddenSize\": 16 }");
        var (output, error) = await RunAsync(ReadOnlyScript, [run.Path("disk"), old, "dotnet", Path.Combine(AppContext.BaseDirectory, "AdaptiveSoftmax.Tool.dll"), "plan", run.Path("news.tokens"), "--hidden-size", "16", "--force", "--output", run.Path($"disk/{name}")]);
        Assert.Equal("rc 1\nout\nsame\n", output);
        Assert.Contains(run.Path($"disk/{name}"), error, StringComparison.Ordinal);
        Assert.Contains("written", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FullDisk_IsSaidAndLosesNothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has such namespaces.");
        using var run = new ToolRun();
        Directory.CreateDirectory(run.Path("disk"));
        var text = run.Write("a.txt", "text");
        var (output, error) = await RunAsync(Script, [run.Path("disk"), "dotnet", Path.Combine(AppContext.BaseDirectory, "AdaptiveSoftmax.Tool.dll"), text]);
        Assert.Equal("rc 1\nx.tokens\n0\t1\ta\n1\t1\tb\n", output);
        Assert.Contains("No space left on device", error, StringComparison.Ordinal);
        Assert.Contains("x.tokens", error, StringComparison.Ordinal);
    }

    private static async Task<(string Output, string Error)> RunAsync(string script, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("unshare", ["--map-root-user", "--mount", "sh", "-c", script, "sh", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = TryStart(start);
        Assert.SkipWhen(process is null, "There is no unshare.");
        var output = await process!.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.SkipWhen(process.ExitCode != 0 && !output.Contains("rc ", StringComparison.Ordinal), "This system gives no file system of one's own: " + error);
        return (output, error);
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
