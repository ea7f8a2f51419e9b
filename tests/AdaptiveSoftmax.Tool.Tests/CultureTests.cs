using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>A command line means the same on every machine.</summary>
public sealed class CultureTests
{
    public static TheoryData<string> Cultures => ["de-DE", "fr-FR", "sv-SE", "tr-TR", "fa-IR", "hi-IN"];

    [Theory]
    [MemberData(nameof(Cultures))]
    public async Task Numbers_AreReadAndWrittenAlike(string culture)
    {
        using var run = new ToolRun();
        WriteTable(run);
        string[] arguments = ["plan", run.Path("x.tokens"), "--hidden-size", "64", "--div-value", "2.5", "--head-coverage", "0.75", "-o", run.Path("x.softmax.json")];
        Assert.Equal(0, await run.RunAsync(arguments));
        var (output, spec) = (run.Output, File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Equal(2.5, SpecReader.Read("x", spec).Spec!.DivValue);
        File.Delete(run.Path("x.softmax.json"));

        Assert.Equal(0, await InCultureAsync(culture, () => run.RunAsync(arguments)));
        Assert.Equal(output, run.Output);
        Assert.Equal(spec, File.ReadAllText(run.Path("x.softmax.json")));
    }

    [Theory]
    [MemberData(nameof(Cultures))]
    public async Task AComma_IsAnErrorThatSaysWhatToWrite(string culture)
    {
        using var run = new ToolRun();
        WriteTable(run);
        foreach (var name in new[] { "", culture })
        {
            Assert.Equal(1, await InCultureAsync(name, () => run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--div-value", "2,5")));
            Assert.Contains("--div-value is 2,5; numbers have a point on every machine: write 2.5.", run.Error, StringComparison.Ordinal);
            Assert.Equal(1, await InCultureAsync(name, () => run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("x.tokens"), "--threshold", "0,1")));
            Assert.Contains("write 0.1.", run.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("--div-value", "1,000.5", "--div-value is 1,000.5; give a number, with a point")]
    [InlineData("--div-value", "1,000", "--div-value is 1,000; give a number, with a point before a fraction and no other separators, such as 2.5.")]
    [InlineData("--div-value", "12,345,678", "--div-value is 12,345,678; give a number")]
    [InlineData("--div-value", "1,0000", "write 1.0000.")]
    [InlineData("--div-value", "0,125", "write 0.125.")]
    [InlineData("--div-value", "NaN", "--div-value is NaN; give a number")]
    [InlineData("--div-value", "1e999", "--div-value is 1e999; give a number")]
    [InlineData("--div-value", "", "--div-value is ; give a number")]
    [InlineData("--batch", "1.000", "--batch is 1.000; give a whole number in the digits 0 to 9 alone")]
    [InlineData("--batch", "1,000", "--batch is 1,000; give a whole number in the digits 0 to 9 alone")]
    [InlineData("--batch", "99999999999", "--batch is 99999999999; it must be from -2147483648 to 2147483647.")]
    [InlineData("--batch", "\u0661\u0662", "give a whole number in the digits 0 to 9 alone")]
    public async Task WhatIsNoNumber_IsAnErrorInOneLine(string option, string value, string expected)
    {
        using var run = new ToolRun();
        WriteTable(run);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", option, value));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("de_DE.UTF-8")]
    [InlineData("fr_FR.UTF-8")]
    public async Task TheBuiltTool_ReadsAndWritesThePoint(string locale)
    {
        using var run = new ToolRun();
        WriteTable(run);
        var environment = new Dictionary<string, string> { ["LANG"] = locale, ["LC_ALL"] = locale, ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "0" };
        var (code, output, error) = await ToolProcess.RunAsync(["plan", run.Path("x.tokens"), "-H", "64", "--div-value", "2.5", "-o", run.Path("x.softmax.json")], environment);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("\"divValue\": 2.5", File.ReadAllText(run.Path("x.softmax.json")), StringComparison.Ordinal);
        Assert.Matches(@"Predicted training step with [\d,]+ targets on .*: \d+\.\d+ (s|ms|µs), \d+\.\d times", output);

        (code, _, error) = await ToolProcess.RunAsync(["plan", run.Path("x.tokens"), "-H", "64", "--div-value", "2,5"], environment);
        Assert.Equal(1, code);
        Assert.Contains("write 2.5.", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheCaller_KeepsItsCulture()
    {
        var seen = "";
        var root = new RootCommand();
        root.SetAction(_ =>
        {
            var thread = new Thread(() => seen = $"{CultureInfo.CurrentCulture.Name}{1.5}");
            thread.Start();
            thread.Join();
        });
        await InCultureAsync("de-DE", async () =>
        {
            var code = await InvariantCommandLine.RunAsync(root, [], cancellation: TestContext.Current.CancellationToken);
            Assert.Equal("de-DE", CultureInfo.CurrentCulture.Name);
            return code;
        });
        Assert.Equal("1.5", seen);
    }

    private static async Task<int> InCultureAsync(string culture, Func<Task<int>> run)
    {
        CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = new CultureInfo(culture);
        return await run();
    }

    private static void WriteTable(ToolRun run) =>
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, 5000).Select(slot => $"{slot}\t{1_000_000 / (slot + 1)}\tt{slot}\n")));
}
