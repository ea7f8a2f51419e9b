using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>docs/lifecycle.md is run from its first line to its last: its commands by a shell and the built tool, its programs after them in order.</summary>
[Collection(PageProgram.Console)]
public sealed partial class LifecycleTests : IDisposable
{
    private const int HiddenSize = 32;

    private readonly string _folder = Directory.CreateTempSubdirectory("lifecycle-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task EveryCommandAndProgramOfThePage_Runs_AndTheLibraryWritesWhatTheToolDoes()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The page's commands are for a POSIX shell.");
        var blocks = Block.Matches(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "lifecycle.md"), TestContext.Current.CancellationToken)).Select(match => (Kind: match.Groups[1].Value, Text: match.Groups[2].Value)).ToArray();
        Assert.Equal(["sh", "csharp", "sh", "csharp", "sh", "csharp", "csharp", "sh", "sh"], blocks.Select(block => block.Kind));
        WriteTexts();

        await RunCommandsAsync(blocks[0].Text);
        RunTraining(blocks[1].Text);
        await RunCommandsAsync(blocks[2].Text);
        RunProduction(blocks[3].Text, blocks[1].Text);
        await RunCommandsAsync(blocks[4].Text);
        Assert.Equal(["count 0", "plan 0", "evaluate 0", "drift 2", "migrate 0", "evaluate 0"], Ran);
        Assert.Equal(["drift.html", "evaluation.html", "migration.html", "plan.html"], Directory.GetFiles(_folder, "*.html").Select(Path.GetFileName).Order(StringComparer.Ordinal));

        RunLibrary(blocks[5].Text, blocks[6].Text);
        WriteDenseModel();
        await RunCommandsAsync(blocks[7].Text);
        await RunCommandsAsync(blocks[8].Text);
        Assert.Equal(["count 0", "extend 0", "adopt 0"], Ran.Skip(6));
        using var extended = DynamicAdaptiveSoftmax.Load(At("medicine.safetensors"), Define("medicine.softmax.json", "medicine.tokens"));
        using var adopted = DynamicAdaptiveSoftmax.Load(At("adaptive.safetensors"), Define("news.softmax.json", "news.tokens"), prefix: "softmax.");
        Assert.Equal(adopted.Layout.VocabularySize + 5, extended.Layout.VocabularySize);
    }

    // The tool's commands with their exit codes, as the shell ran them.
    private string[] Ran => File.ReadAllLines(At("ran.log"));

    private async Task RunCommandsAsync(string commands)
    {
        var tools = Directory.CreateDirectory(At("tools")).FullName;
        var tool = Path.Combine(tools, "adaptive-softmax");
        var host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        await File.WriteAllTextAsync(tool, $"#!/bin/sh\n\"{host}\" \"{Path.Combine(AppContext.BaseDirectory, "AdaptiveSoftmax.Tool.dll")}\" \"$@\"\ncode=$?\necho \"$1 $code\" >> \"{At("ran.log")}\"\nexit $code\n", TestContext.Current.CancellationToken);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(tool, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo("sh", ["-e", "-c", commands]) { WorkingDirectory = _folder, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["PATH"] = $"{tools}:{Environment.GetEnvironmentVariable("PATH")}";
        using var shell = Process.Start(start)!;
        var error = shell.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(shell.ExitCode == 0, $"{commands}\n{output}\n{await error}");
        File.Delete(tool);
    }

    // The model: the hidden vector of a word is its own, and the word that follows is to be told from it.
    private void RunTraining(string block)
    {
        var (statements, declaration) = Split(block);
        Run(
            $$"""
            int[] ids = [.. File.ReadAllText(@"{{At("corpus/news.txt")}}").Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Where(word => News.Vocabulary.TryGetSlot(word, out _)).Select(word => News.Vocabulary.TryGetSlot(word, out var slot) ? slot.Id : -1)];
            var batches = Enumerable.Range(0, 60).Select(batch => Take(batch * 256, 256));
            (float[] Hidden, int[] Targets) heldOut = Take(16_000, 2_000), others = Take(18_000, 1_500);
            {{Here(statements)}}

            (float[] Hidden, int[] Targets) Take(int first, int count) => ([.. Enumerable.Range(first, count).SelectMany(i => VectorOf(ids[i]))], [.. Enumerable.Range(first + 1, count).Select(i => ids[i])]);

            static IEnumerable<float> VectorOf(int id)
            {
                var random = new Random(id);
                return Enumerable.Range(0, {{HiddenSize}}).Select(i => i == 0 ? 1 : (2 * random.NextSingle()) - 1);
            }
            """,
            declaration,
            "System.Collections.Generic",
            "System.Linq",
            "AdaptiveSoftmax");
        Assert.True(File.Exists(At("judge.safetensors")));
    }

    // What is asked for now are the words that the corpus has least of.
    private void RunProduction(string block, string training) => Run(
        $$"""
        var requests = Enumerable.Range(0, 400).Select(i => (Enumerable.Range(0, 100).Select(k => News.Vocabulary.GetTokenId(News.VocabularySize - 1 - ((i + (k * k)) % 40))).ToArray(), "en"));
        {{Here(block)}}
        """,
        Split(training).Declaration,
        "System.Linq",
        "AdaptiveSoftmax");

    private void RunLibrary(string first, string nightly)
    {
        var written = new[] { "news.tokens", "news.softmax.json", "next.tokens", "next.softmax.json", "next.safetensors" };
        var tools = written.ToDictionary(file => file, file => File.ReadAllBytes(At(file)));
        foreach (var file in written) File.Delete(At(file));
        Run(Here(first), "", "AdaptiveSoftmax.Corpus", "AdaptiveSoftmax.Vocabulary");
        var lines = Run($"Nightly();\n\nstatic void Nightly()\n{{\n{Here(nightly)}\n}}", "", "AdaptiveSoftmax", "AdaptiveSoftmax.Vocabulary").TrimEnd().Split(Environment.NewLine);
        Assert.All(written, file => Assert.True(tools[file].AsSpan().SequenceEqual(File.ReadAllBytes(At(file))), $"The library writes another {file} than the tool."));
        Assert.Equal(3, lines.Length);
        // The words of old text are in narrower tails now, which costs some of it, and not most.
        var perplexities = lines[1..].Select(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture)).ToArray();
        Assert.InRange(perplexities[0], 1, 150);
        Assert.InRange(perplexities[1] / perplexities[0], 0.8, 1.5);
    }

    private string Run(string statements, string declaration, params string[] usings)
    {
        TestFile[] files = declaration.Length == 0 ? [] : [new("/project/news.softmax.json", File.ReadAllText(At("news.softmax.json"))), new("/project/news.tokens", File.ReadAllText(At("news.tokens")))];
        return new GeneratorRun(PageProgram.Create(statements, declaration, usings), files)
            .WithReferences([.. GeneratorRun.References, MetadataReference.CreateFromFile(typeof(CorpusFiles).Assembly.Location)]).Execute();
    }

    private string At(string file) => Path.Combine(_folder, file);

    private SoftmaxDefinition Define(string spec, string table) => SoftmaxDefinitionReader.Read(spec, File.ReadAllText(At(spec)), table, File.ReadAllText(At(table))).Definition!;

    // A program of the page names files in its working folder, which this process shares with other tests.
    private string Here(string program) => FileName.Replace(program, match => $"@\"{At(match.Groups[1].Value)}\"");

    private static (string Statements, string Declaration) Split(string program)
    {
        var at = program.IndexOf("[AdaptiveSoftmax(", StringComparison.Ordinal);
        return (program[..at], program[at..]);
    }

    private void WriteTexts()
    {
        // Frequent words are followed by about the same ones each time.
        var random = new Random(4);
        var text = new StringBuilder();
        var word = 0;
        for (var i = 0; i < 24_000; i++)
        {
            text.Append(string.Create(CultureInfo.InvariantCulture, $"w{word}")).Append(i % 20 == 19 ? '\n' : ' ');
            word = random.Next(2) == 0 ? ((word * 7) + 3) % 300 : (int)(300 * Math.Pow(random.NextDouble(), 3));
        }

        Directory.CreateDirectory(At("corpus"));
        Directory.CreateDirectory(At("medicine"));
        File.WriteAllText(At("corpus/news.txt"), text.ToString());
        File.WriteAllText(At("medicine/leaflet.txt"), string.Concat(Enumerable.Repeat("w1 fever w2 dose cough w3 pulse dose fever ward\n", 3)));
    }

    private void WriteDenseModel()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(HiddenSize, Define("news.softmax.json", "news.tokens").Layout.VocabularySize), seed: 2);
        using var head = new Parameter("lm_head.weight", layer.Layout.VocabularySize, HiddenSize);
        head.Set(layer.Parameters[0].Values);
        Directory.CreateDirectory(At("model"));
        SafetensorsWriter.Write(At("model/model.safetensors"), [head]);
    }

    [GeneratedRegex("^```(sh|csharp)\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Block { get; }

    // But for the table in a spec, and a spec in an attribute, which name each other.
    [GeneratedRegex("""(?<!TableFile = |AdaptiveSoftmax\()"([\w./]+\.(?:tokens|safetensors|softmax\.json)|corpus/)["]""")]
    private static partial Regex FileName { get; }
}
