using System.Globalization;
using LanguageModelSample;
using Spectre.Console;

namespace AdaptiveSoftmax.Samples.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string CheckpointPath => Path.Combine(_folder, "run.safetensors");

    [Fact]
    public async Task WholeRun_TrainsComparesAndWrites_AndResumes()
    {
        var (code, output) = await RunAsync("--seconds", "1", "--prompt", "The quick", "--cache", "50", "--draft", "3");
        Assert.Equal(0, code);
        Assert.Contains("200,019 tokens in the vocabulary", output, StringComparison.Ordinal);
        Assert.Contains("greedy decoding of a token", output, StringComparison.Ordinal);
        Assert.Contains("A cache of the last 50 states", output, StringComparison.Ordinal);
        Assert.Contains("With 3 tokens drafted at a time", output, StringComparison.Ordinal);
        Assert.Contains("The quick", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output);

        using var stop = new CancellationTokenSource();
        using var untilItTrains = new WatchedWriter("tokens/s", stop.Cancel);
        (code, output) = await RunAsync(untilItTrains, stop.Token, "--seconds", "100000", "--resume");
        Assert.Equal(130, code);
        Assert.Contains("Going on from step", output, StringComparison.Ordinal);
        Assert.Contains("go on with --resume", output, StringComparison.Ordinal);
        Assert.Equal([CheckpointPath], Directory.GetFiles(_folder, "*.safetensors*"));
    }

    [Fact]
    public async Task Study_ComparesAdaptiveWithFull_AndDoesNoRunTwice()
    {
        var results = Path.Combine(_folder, "study.jsonl");
        string[] study = ["--study", "--quick", "--study-steps", "2", "--study-seeds", "2", "--study-rates", "0.1", "--study-results", results];
        // Words that a small book lacks make no vocabulary of tails; these are a few hundred.
        var words = Path.Combine(_folder, "words.txt");
        await File.WriteAllTextAsync(words, string.Join(' ', Enumerable.Range(0, 30_000).Select(i => i % 7 == 0 ? $"{i * i % 997}" : "the")), TestContext.Current.CancellationToken);
        var (code, output) = await RunAsync([.. study, "--corpus", words]);
        Assert.Equal(0, code);
        Assert.Contains("held-out perplexity", output, StringComparison.Ordinal);
        Assert.Equal(6, (await File.ReadAllLinesAsync(results, TestContext.Current.CancellationToken)).Length);

        (code, output) = await RunAsync([.. study, "--corpus", words]);
        Assert.Equal(0, code);
        Assert.DoesNotContain("to choose by", output, StringComparison.Ordinal);
        Assert.Contains("div value 2", output, StringComparison.Ordinal);
        Assert.Equal(6, (await File.ReadAllLinesAsync(results, TestContext.Current.CancellationToken)).Length);
    }

    [Fact]
    public async Task CheckpointThatIsMissing_IsAnErrorInOneLine()
    {
        var (code, output) = await RunAsync("--resume");
        Assert.Equal(1, code);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("de-DE", "--seconds", "0,5")]
    [InlineData("", "--seconds", "0,5")]
    [InlineData("de-DE", "--seconds", "1.000,5")]
    [InlineData("fr-FR", "--threads", "1.0")]
    [InlineData("", "--seconds", "NaN")]
    [InlineData("", "--study-steps", "0")]
    [InlineData("", "--cache", "0")]
    [InlineData("", "--draft", "0")]
    [InlineData("", "--draft", "4", "--device", "opencl")]
    [InlineData("", "--cache", "10", "--device", "opencl")]
    [InlineData("", "--study-rates", "-1")]
    [InlineData("", "--seed", "-1")]
    [InlineData("", "--prompt", "x", "--corpus", "")]
    public async Task WhatMeansSomethingElseElsewhere_IsRefusedBeforeAnythingIsRead(string culture, params string[] arguments)
    {
        CultureInfo.CurrentCulture = new CultureInfo(culture);
        var (code, output) = await RunAsync(arguments);
        Assert.Equal((1, ""), (code, output));
    }

    private async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        return await RunAsync(output, TestContext.Current.CancellationToken, arguments);
    }

    private async Task<(int Code, string Output)> RunAsync(StringWriter output, CancellationToken cancellation, params string[] arguments)
    {
        var book = Path.Combine(_folder, "book.txt");
        await File.WriteAllTextAsync(book, string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 2000)), cancellation);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No, Ansi = AnsiSupport.No });
        console.Profile.Width = 120;
        var code = await CommandLine.RunAsync([.. arguments, "--corpus", book, "--checkpoint", CheckpointPath], console, cancellation);
        return (code, output.ToString());
    }

    /// <summary>Does something as soon as a text was written.</summary>
    private sealed class WatchedWriter(string text, Action found) : StringWriter
    {
        public override void Write(string? value)
        {
            base.Write(value);
            if (ToString().Contains(text, StringComparison.Ordinal)) found();
        }

        // A console flushes whatever way it wrote.
        public override void Flush()
        {
            base.Flush();
            if (ToString().Contains(text, StringComparison.Ordinal)) found();
        }
    }
}
