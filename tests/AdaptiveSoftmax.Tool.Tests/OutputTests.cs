using System.Diagnostics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What the tool writes takes the place of its own kind alone, and of nothing that it reads.</summary>
public sealed class OutputTests
{
    private const string Table = "0\t50\ta\n1\t40\tb\n2\t3\tc\n3\t1\td\n";
    private const string Spec = "{ \"hiddenSize\": 8, \"vocabulary\": \"x.tokens\", \"cutoffs\": [2] }";

    [Theory]
    [InlineData("count -o @text.txt @text.txt")]
    [InlineData("count --force -o @text.txt @text.txt")]
    [InlineData("count --force -o @link @text.txt")]
    [InlineData("count --force -o @hard @text.txt")]
    [InlineData("count --force -o @text.txt @link")]
    [InlineData("count --force -o @ranks -e @ranks --split gpt2 @text.txt")]
    [InlineData("plan @x.tokens -H 8 -o @x.tokens")]
    [InlineData("plan @x.tokens -H 8 --force -o @x.tokens")]
    [InlineData("plan @x.tokens -H 8 --force -o @table-link")]
    [InlineData("plan @x.tokens -H 8 --force --report @table-link")]
    [InlineData("plan @x.tokens -H 8 --force --report @x.domains")]
    [InlineData("plan @y.tokens -H 8 --force --report @x.tokens --keep @x.softmax.json")]
    [InlineData("plan @y.tokens -H 8 --force --report @states --for greedy --states @states --weights @w --spec @x.softmax.json")]
    [InlineData("plan @y.tokens -H 8 --force --report @x.tokens --for greedy --states @states --weights @w --spec @x.softmax.json")]
    [InlineData("draft @x.tokens --size 2 --force --token-map @table-link")]
    [InlineData("draft @x.tokens --size 2 --force --report @x.domains")]
    [InlineData("drift @y.tokens --force --report @x.tokens --observed @text.txt --spec @x.softmax.json")]
    [InlineData("evaluate @states --force --report @x.tokens --weights @w --spec @x.softmax.json")]
    public async Task AnInput_IsNoOutput(string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("x.tokens", Table);
        run.Write("x.domains", "domain\tid\tcount\n");
        run.Write("x.softmax.json", Spec);
        run.Write("states", "some states\n");
        run.Write("ranks", string.Concat(Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n")));
        File.CreateSymbolicLink(run.Path("link"), "text.txt");
        File.CreateSymbolicLink(run.Path("table-link"), "x.tokens");
        Start("ln", run.Path("text.txt"), run.Path("hard"));
        var before = run.Files.ToDictionary(file => file, file => File.ReadAllText(run.Path(file)));

        Assert.Equal(1, await run.RunAsync(Arguments(run, line)));
        Assert.Contains(line.Contains("--force", StringComparison.Ordinal) ? "would be lost" : "is there, and is", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => line.StartsWith("error: ", StringComparison.Ordinal));
        Assert.Equal(before, run.Files.ToDictionary(file => file, file => File.ReadAllText(run.Path(file))));
    }

    [Theory]
    [InlineData("plan @x.tokens -H 8 -o @n.softmax.json --report @n.softmax.json")]
    [InlineData("plan @x.tokens -H 8 --force -o @n.softmax.json --report @new-link")]
    [InlineData("plan @x.tokens -H 8 --pin b -o @n.softmax.json --report @n.tokens")]
    [InlineData("plan @x.tokens -H 8 --pin b -o @n.softmax.json --table @n.softmax.json")]
    [InlineData("draft @x.tokens --size 2 --output @n.safetensors --report @n.safetensors")]
    [InlineData("draft @x.tokens --size 2 --force --token-map @n.pt --report @n.pt")]
    [InlineData("drift @x.tokens --observed @text.txt --words --spec @x.softmax.json --replan @n.softmax.json --report @n.softmax.json")]
    [InlineData("drift @x.tokens --observed @text.txt --words --spec @x.softmax.json --replan @n.softmax.json --report @n.tokens")]
    public async Task TwoOutputs_AreTwoFiles(string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("x.tokens", Table);
        run.Write("x.softmax.json", Spec);
        File.CreateSymbolicLink(run.Path("new-link"), "n.softmax.json");
        var before = run.Files.ToList();

        Assert.Equal(1, await run.RunAsync(Arguments(run, line)));
        Assert.StartsWith("error: Both a ", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, run.Files);
    }

    [Theory]
    [InlineData("plan @x.tokens -H 8 -o @precious.txt", "precious.txt", "My notes.", "plain text, not a spec")]
    [InlineData("plan @x.tokens -H 8 -o @other.json", "other.json", "{ \"name\": \"package\" }", "JSON, not a spec")]
    [InlineData("plan @x.tokens -H 8 -o @y.tokens", "y.tokens", Table, "a token table, not a spec")]
    [InlineData("count @text.txt -o @precious.txt", "precious.txt", "My notes.", "plain text, not a token table")]
    [InlineData("count @text.txt -o @y.softmax.json", "y.softmax.json", "{ \"hiddenSize\": 8 }", "a spec, not a token table")]
    [InlineData("count @text.txt -o @page.tokens", "page.tokens", "<!doctype html>", "a web page, not a token table")]
    public async Task AForeignFile_IsWrittenOverOnlyByForce(string line, string file, string content, string expected)
    {
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("x.tokens", Table);
        run.Write(file, content);

        Assert.Equal(1, await run.RunAsync(Arguments(run, line)));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Contains("--force", run.Error, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(run.Path(file)));

        Assert.Equal(0, await run.RunAsync([.. Arguments(run, line), "--force"]));
        Assert.NotEqual(content, File.ReadAllText(run.Path(file)));
    }

    [Fact]
    public async Task ItsOwnKind_IsReplaced()
    {
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("x.tokens", Table);
        run.Write("empty", "");
        Assert.Equal(0, await run.RunAsync("count", run.Path("text.txt"), "-o", run.Path("x.tokens")));
        Assert.Equal(200_019, File.ReadLines(run.Path("x.tokens")).Count());
        Assert.Equal(0, await run.RunAsync("count", run.Path("text.txt"), "-o", run.Path("empty")));
    }

    [Theory]
    [InlineData("plan @x.tokens -H 8 -o @x.json", "x.json does not end in .softmax.json: a build finds no spec of another name")]
    [InlineData("count @text.txt -o @counts.txt", "counts.txt does not end in .tokens: a build hands no file of another name")]
    public async Task ANameThatNothingLooksFor_IsSaid(string line, string expected)
    {
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("x.tokens", Table);
        Assert.Equal(0, await run.RunAsync(Arguments(run, line)));
        Assert.Contains($"note: {run.Path("")}/{expected}", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ACountIntoItsOwnFolder_GivesTheSameTwice()
    {
        using var run = new ToolRun();
        run.Write("texts/a.txt", "some text\n");
        Assert.Equal(0, await run.RunAsync("count", "-o", run.Path("texts/x.tokens"), run.Path("texts")));
        var (first, output) = (File.ReadAllText(run.Path("texts/x.tokens")), run.Output);
        Assert.Equal(0, await run.RunAsync("count", "-o", run.Path("texts/x.tokens"), run.Path("texts")));
        Assert.Equal(first, File.ReadAllText(run.Path("texts/x.tokens")));
        Assert.Contains("x.tokens is what is to be written", run.Error, StringComparison.Ordinal);

        // What an earlier run left there is no text either.
        Assert.Equal(0, await run.RunAsync("count", "-o", run.Path("y.tokens"), run.Path("texts")));
        Assert.Equal(first, File.ReadAllText(run.Path("y.tokens")));
        Assert.Contains("x.tokens is a token table", run.Error, StringComparison.Ordinal);
        Assert.Contains("Counted 4 tokens in 1 documents of 1 files", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_AreFollowed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("real/x.tokens", Table);
        File.CreateSymbolicLink(run.Path("x.tokens"), "real/x.tokens");
        Assert.Equal(0, await run.RunAsync("count", run.Path("text.txt"), "-o", run.Path("x.tokens")));
        Assert.Equal("real/x.tokens", new FileInfo(run.Path("x.tokens")).LinkTarget);
        Assert.Equal(200_019, File.ReadLines(run.Path("real/x.tokens")).Count());
    }

    [Fact]
    public async Task APipe_IsWrittenTo()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Pipes stand elsewhere on Windows.");
        using var run = new ToolRun();
        run.Write("x.tokens", Table);
        Start("mkfifo", run.Path("pipe"));
        var reader = Task.Run(() => File.ReadAllText(run.Path("pipe")), TestContext.Current.CancellationToken);
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "8", "-o", run.Path("pipe")));
        Assert.Contains("\"hiddenSize\": 8", await reader, StringComparison.Ordinal);
        Assert.Equal(["pipe", "x.tokens"], run.Files);
        Assert.Equal("", run.Error);
    }

    [Theory]
    [InlineData("count @text.txt -o @device")]
    [InlineData("count @text.txt --force -o @device-link")]
    [InlineData("plan @x.tokens -H 8 -o @device")]
    [InlineData("draft @x.tokens --size 2 -o @device")]
    [InlineData("draft @x.tokens --size 2 --token-map @device")]
    public async Task ADevice_IsWrittenToAndStays(string line)
    {
        using var run = new ToolRun();
        run.Write("text.txt", "some text\n");
        run.Write("x.tokens", Table);

        // A device of the test's own, with the numbers of /dev/null.
        Assert.SkipWhen(OperatingSystem.IsWindows() || !TryStart("mknod", run.Path("device"), "c", "1", "3"), "Only root can make a device.");
        Assert.SkipUnless(CanWrite(run.Path("device")), "Devices in this folder cannot be opened.");
        File.CreateSymbolicLink(run.Path("device-link"), "device");
        Assert.Equal(0, await run.RunAsync(Arguments(run, line)));
        Assert.Equal(UnixFileKind.CharacterDevice, UnixFiles.FindStatus(run.Path("device"))!.Value.Kind);
        Assert.Equal("device", new FileInfo(run.Path("device-link")).LinkTarget);
        Assert.Equal("", run.Error);
        Assert.DoesNotContain(run.Files, file => file.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AFullDevice_IsAnErrorAndStays()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", Table);

        // As /dev/full is.
        Assert.SkipWhen(OperatingSystem.IsWindows() || !TryStart("mknod", run.Path("device"), "c", "1", "7"), "Only root can make a device.");
        Assert.SkipUnless(CanWrite(run.Path("device")), "Devices in this folder cannot be opened.");
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "8", "-o", run.Path("device")));
        Assert.Contains("No space left on device", run.Error, StringComparison.Ordinal);
        Assert.Equal(UnixFileKind.CharacterDevice, UnixFiles.FindStatus(run.Path("device"))!.Value.Kind);
    }

    private static string[] Arguments(ToolRun run, string line) => [.. line.Split(' ').Select(word => word.StartsWith('@') ? run.Path(word[1..]) : word)];

    private static bool CanWrite(string device)
    {
        try
        {
            using var stream = File.OpenWrite(device);
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void Start(string program, params string[] arguments) => Assert.True(TryStart(program, arguments));

    private static bool TryStart(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
