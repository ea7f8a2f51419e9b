using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>Ctrl-C or a kill in the middle of long judging, comparing and migrating: it ends at once, and nothing is half written.</summary>
public sealed class StoppedRunTests
{
    private const int Interrupt = 2, Kill = 9;

    // Of work that ends by itself only after minutes, so that an end with 130 is the signal's.
    private const long Rows = 5_000_000;
    private const int Texts = 40;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Kill)]
    public async Task ASignal_StopsAnEvaluation(int signal)
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        WriteManyStates(run.Path("many.safetensors"), files.Definition.Table.GetId(0));
        await StopsAsync(signal, run, "page.html", run.Path("many.safetensors"), "evaluate", run.Path("many.safetensors"), "--weights", files.Weights, "--spec", files.Spec, "--quantize", "int8", "--threads", "1", "--report", run.Path("page.html"));
    }

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Kill)]
    public async Task ASignal_StopsDriftThatCountsText(int signal)
    {
        using var run = new ToolRun();
        var text = run.Write("a.txt", string.Concat(Enumerable.Range(0, 200_000).Select(i => $"{i * 7919L} words {i}\n")));
        Assert.Equal(0, await run.RunAsync("count", run.Write("small.txt", "some words"), "--output", run.Path("x.tokens")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "8", "--output", run.Path("x.softmax.json")));
        string[] more = [.. Enumerable.Range(1, Texts).Select(i => run.Path($"{i}.txt"))];
        foreach (var copy in more) File.Copy(text, copy);
        await StopsAsync(signal, run, "page.html", text, ["drift", run.Path("x.tokens"), "--spec", run.Path("x.softmax.json"), "--replan", run.Path("next.softmax.json"), "--threads", "1", "--report", run.Path("page.html"), "--observed", text, .. more]);
        Assert.DoesNotContain(run.Files, file => file.StartsWith("next", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Kill)]
    public async Task ASignal_StopsPolishing(int signal)
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        files.WriteSpec("other", [30]);
        await StopsAsync(signal, run, "other.safetensors", files.States1, "migrate", files.Weights, "--from", files.Spec, "--to", run.Path("other.softmax.json"), "--states", files.States1, "--polish", "100000000", "--threads", "1", "--force", "--output", run.Path("other.safetensors"));
    }

    private static async Task StopsAsync(int signal, ToolRun run, string output, string input, params string[] arguments)
    {
        const string Old = "<meta name=\"generator\" content=\"adaptive-softmax\">";
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What another process has open is seen through /proc.");
        run.Write(output, Old);
        string[] before = [.. run.Files];
        using var process = ToolProcess.Start(arguments);
        try
        {
            while (!HasOpen(process, input))
            {
                Assert.False(process.HasExited, $"It ended before it was stopped: {(process.HasExited ? await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken) : "")}");
                await Task.Delay(TimeSpan.FromMilliseconds(5), TestContext.Current.CancellationToken);
            }

            Assert.Equal(0, Send(process.Id, signal));
            var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal((signal == Interrupt ? 130 : 128 + Kill, signal == Interrupt), (process.ExitCode, error.Contains("cancelled; no file was written.", StringComparison.Ordinal)));
        }
        finally
        {
            process.Kill();
        }

        Assert.Equal(before, run.Files);
        Assert.Equal(Old, await File.ReadAllTextAsync(run.Path(output), TestContext.Current.CancellationToken));
    }

    // Zeros take no place on a disk: only the header is written, and the file made as long as it says.
    private static void WriteManyStates(string path, int target)
    {
        const int Size = EvaluationFiles.HiddenSize * sizeof(float);
        var (hidden, end) = (Rows * Size, Rows * (Size + sizeof(int)));
        var header = FormattableString.Invariant($$"""{ "targets": { "dtype": "I32", "shape": [{{Rows}}], "data_offsets": [{{hidden}}, {{end}}] }, "hidden": { "dtype": "F32", "shape": [{{Rows}}, {{EvaluationFiles.HiddenSize}}], "data_offsets": [0, {{hidden}}] } }""");
        header = header.PadRight((header.Length + 7) / 8 * 8);
        using var file = File.Create(path);
        file.Write(BitConverter.GetBytes((long)header.Length));
        file.Write(Encoding.ASCII.GetBytes(header));
        file.SetLength(8 + header.Length + end);
        file.Position = 8 + header.Length + hidden;
        var targets = new byte[sizeof(int) * 65_536];
        for (var i = 0; i < targets.Length; i += sizeof(int)) BitConverter.TryWriteBytes(targets.AsSpan(i), target);
        for (var row = 0L; row < Rows; row += targets.Length / sizeof(int)) file.Write(targets, 0, (int)Math.Min(targets.Length, (Rows - row) * sizeof(int)));
    }

    private static bool HasOpen(Process process, string file)
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
    private static extern int Send(int process, int signal);
}
