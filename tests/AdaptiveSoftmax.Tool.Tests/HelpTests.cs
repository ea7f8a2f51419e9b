namespace AdaptiveSoftmax.Tool.Tests;

public sealed class HelpTests
{
    [Theory]
    [InlineData("", "count <PATH>")]
    [InlineData("", "plan <TABLE>")]
    [InlineData("", "calibrate")]
    [InlineData("plan", "train|greedy|topk|sample|serve")]
    [InlineData("", "drift <TABLE>")]
    [InlineData("", "evaluate <STATES>")]
    [InlineData("evaluate", "--report <FILE.html>")]
    [InlineData("", "inspect <FILE>")]
    [InlineData("", "convert <FILE>")]
    [InlineData("", "export <FILE>")]
    [InlineData("export", "greedy|log-probs")]
    [InlineData("inspect", "--spec <FILE>")]
    [InlineData("convert", "--tail-bias")]
    [InlineData("convert", "transformer-xl")]
    [InlineData("count", "--encoding <NAME>")]
    [InlineData("count", "--sdk-docs")]
    [InlineData("plan", "--head-coverage <X>")]
    [InlineData("plan", "[default: 0.8]")]
    [InlineData("drift", "--encoding <NAME>")]
    [InlineData("drift", "with 2 if they have drifted apart")]
    public async Task Help_ListsWhatThereIs(string command, string expected)
    {
        using var run = new ToolRun();

        Assert.Equal(0, await run.RunAsync([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]));
        Assert.Contains(expected, run.Output, StringComparison.Ordinal);
        Assert.Contains("Examples:", run.Output, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task EveryExample_IsACommandLineThatParses()
    {
        foreach (var command in new[] { "count", "calibrate", "plan", "evaluate", "drift", "inspect", "convert" })
        {
            using var run = new ToolRun();
            await run.RunAsync(command, "--help");
            var examples = run.Output.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith($"adaptive-softmax {command} -", StringComparison.Ordinal) || line.StartsWith($"adaptive-softmax {command} news", StringComparison.Ordinal)
                || line.StartsWith($"adaptive-softmax {command} model", StringComparison.Ordinal) || line.StartsWith($"adaptive-softmax {command} states", StringComparison.Ordinal)).ToArray();
            Assert.True(examples.Length >= 3, run.Output);
            foreach (var example in examples)
            {
                // A folder that does not exist stops each of them right after it was understood.
                var arguments = example.Split(' ').Skip(1).Select(part => part.Trim('"')).Select(part => part.Contains('.', StringComparison.Ordinal) && !part.StartsWith('*') && !part.StartsWith("0.", StringComparison.Ordinal) ? "missing/folder/" + part : part);
                Assert.Equal(1, await run.RunAsync([.. arguments]));
                Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
                Assert.Contains("folder", run.Error, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("count --output x", "nothing to count")]
    [InlineData("count text", "Option '--output' is required")]
    [InlineData("count text --output x --encoding p90k_base", "p90k_base")]
    [InlineData("count text --output x --threads 0", "--threads is 0")]
    [InlineData("count text --output x --threads many", "many")]
    [InlineData("plan --hidden-size 512", "TABLE")]
    [InlineData("plan x.tokens", "Option '--hidden-size' is required")]
    [InlineData("drift x.tokens", "give --observed or --sdk-docs")]
    [InlineData("drift x.tokens --observed y.tokens --threshold 0", "--threshold is 0")]
    [InlineData("pln", "pln")]
    public async Task Mistake_IsExplainedInALine(string commandLine, string expected)
    {
        using var run = new ToolRun();

        Assert.Equal(1, await run.RunAsync(commandLine.Split(' ')));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Usage:", run.Output, StringComparison.Ordinal);
    }
}
