using System.Globalization;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The same spec and table give the same bytes everywhere.</summary>
public sealed class DeterminismTests
{
    private const string Source = """[AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class X;""";

    private const string Spec = """
        {
          "hiddenSize": 1000,
          "vocabulary": "x.tokens",
          "cutoffs": [400, 1200],
          "divValue": 3.5,
          "headBias": true,
          "seed": 18446744073709551615
        }
        """;

    // Sparse ids, so that both look-ups have a hash; tokens that change case differently in Turkish.
    private static readonly string s_table = string.Concat(Enumerable.Range(0, 1500).Select(i =>
        string.Create(CultureInfo.InvariantCulture, $"{(i * 7919L % 1_000_003) + 1_000_000}\t{5000 - i}\tIi\\xC4\\xB0{i}\n")));

    private static readonly IReadOnlyDictionary<string, string> s_expected = Generate(Spec, s_table);

    [Fact]
    public void RepeatedRuns_GiveTheSameSources() => Assert.Equal(s_expected, Generate(Spec, s_table));

    [Theory]
    [InlineData("tr-TR")]
    [InlineData("ar-SA")]
    [InlineData("de-CH")]
    public void Culture_MakesNoDifference(string culture)
    {
        var (before, beforeUi) = (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture);
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = new CultureInfo(culture);
            Assert.Equal(s_expected, Generate(Spec, s_table));
        }
        finally
        {
            (CultureInfo.CurrentCulture, CultureInfo.CurrentUICulture) = (before, beforeUi);
        }
    }

    [Theory]
    [InlineData("\r\n", "")]
    [InlineData("\r", "")]
    [InlineData("\n", "\uFEFF")]
    [InlineData("\r\n", "\uFEFF")]
    public void LineEndsAndByteOrderMark_MakeNoDifference(string lineEnd, string mark) => Assert.Equal(
        s_expected,
        Generate(mark + Spec.ReplaceLineEndings(lineEnd), mark + s_table.ReplaceLineEndings(lineEnd)));

    [Fact]
    public void Path_MakesNoDifference() => Assert.Equal(
        s_expected,
        new GeneratorRun(Source, new TestFile(@"C:\code\x.softmax.json", Spec), new TestFile(@"C:\code\x.tokens", s_table)).Sources);

    [Fact]
    public void Sources_EndLinesWithLineFeedsAndHoldAsciiOnly()
    {
        foreach (var text in s_expected.Values)
        {
            Assert.DoesNotContain('\r', text);
            Assert.True(System.Text.Ascii.IsValid(text));
            Assert.EndsWith("}\n", text, StringComparison.Ordinal);
            Assert.DoesNotContain(" \n", text, StringComparison.Ordinal);
        }
    }

    private static IReadOnlyDictionary<string, string> Generate(string spec, string table)
    {
        var run = new GeneratorRun(Source, new TestFile("/project/x.softmax.json", spec), new TestFile("/project/x.tokens", table));
        Assert.Empty(run.Result.Diagnostics);
        return run.Sources;
    }
}
