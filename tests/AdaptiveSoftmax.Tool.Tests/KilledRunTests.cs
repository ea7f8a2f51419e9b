using System.Diagnostics;
using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>Runs that are killed at any moment: what stands under the names of their files is the old or the new, whole.</summary>
[MoreAtNight]
public sealed class KilledRunTests
{
    private static readonly (string Output, string Line)[] s_usual =
    [
        ("out.safetensors", "migrate @news.safetensors --from @news.softmax.json --to @other.softmax.json --force --output @out.safetensors"),
        ("out.onnx", "export @news.safetensors --spec @news.softmax.json --onnx greedy --external-data --force --output @out.onnx"),
    ];

    private static readonly (string Output, string Line)[] s_atNight =
    [
        ("out.tokens", "count @text.txt --words --output @out.tokens"),
        ("out.softmax.json", "plan @news.tokens --hidden-size 16 --force --output @out.softmax.json"),
        ("out.pt", "convert @news.safetensors --force --output @out.pt"),
        ("out.json", "draft @news.tokens --size 20 --force --output @out.json"),
    ];

    public static TheoryData<string, string> Lines
    {
        get
        {
            var lines = new TheoryData<string, string>();
            foreach (var (output, line) in s_usual.Concat(Nightly.IsOn ? s_atNight : [])) lines.Add(output, line);
            return lines;
        }
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task AKillAtAnyMoment_LeavesTheOldOrTheNew(string output, string line)
    {
        using var run = new ToolRun();
        new EvaluationFiles(run).WriteSpec("other", [30]);
        run.Write("text.txt", string.Concat(Enumerable.Range(0, 30_000).Select(i => $"word{i % 700} ")));
        string[] arguments = [.. line.Split(' ').Select(word => word.StartsWith('@') ? run.Path(word[1..]) : word)];
        string[] inputs = [.. run.Files];
        var clock = Stopwatch.StartNew();
        var whole = await ToolProcess.RunAsync(arguments);
        var time = clock.Elapsed;
        Assert.True(whole.Code == 0, whole.Error);
        var written = run.Files.Except(inputs).ToDictionary(file => file, file => File.ReadAllBytes(run.Path(file)));
        byte[] old = [.. "0\t1\ta\n1\t1\tb\n"u8];

        var random = new Random(output.Length);
        var (olds, news) = (0, 0);
        for (var kill = 0; kill < Nightly.Count(2, 100); kill++)
        {
            foreach (var file in written.Keys) File.Delete(run.Path(file));
            File.WriteAllBytes(run.Path(output), old);
            using var process = ToolProcess.Start(arguments);
            await Task.Delay(time * (1.2 * random.NextDouble()), TestContext.Current.CancellationToken);
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);

            var found = File.ReadAllBytes(run.Path(output));
            if (found.AsSpan().SequenceEqual(old)) olds++;
            else news++;
            // What one file names is there, and nothing else is but what no name leads to.
            foreach (var file in run.Files.Except(inputs).Where(file => file != output && !file.EndsWith(".tmp", StringComparison.Ordinal))) Assert.Equal(written[file], File.ReadAllBytes(run.Path(file)));
            if (found.AsSpan().SequenceEqual(old)) continue;
            Assert.All(written, file => Assert.Equal(file.Value, File.ReadAllBytes(run.Path(file.Key))));
        }

        Assert.True(!Nightly.IsOn || (olds > 0 && news > 0), $"{olds} old and {news} new files were left.");
        Assert.Equal(0, (await ToolProcess.RunAsync(arguments)).Code);
        Assert.All(written, file => Assert.Equal(file.Value, File.ReadAllBytes(run.Path(file.Key))));
    }
}
