using Microsoft.CodeAnalysis.CSharp;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Which file a name means, and that a guess is never made in silence.</summary>
public sealed class FileSearchTests
{
    [Theory]
    [InlineData("news.softmax.json", "/project/Program.cs", "/project/news.softmax.json /project/out/news.softmax.json", "/project/news.softmax.json")]
    [InlineData("./news.softmax.json", "/project/Program.cs", "/project/news.softmax.json /project/out/news.softmax.json", "/project/news.softmax.json")]
    [InlineData("specs/news.softmax.json", "/project/Program.cs", "/project/specs/news.softmax.json /project/out/specs/news.softmax.json", "/project/specs/news.softmax.json")]
    [InlineData(@"specs\news.softmax.json", "/project/Program.cs", "/project/specs/news.softmax.json /project/out/specs/news.softmax.json", "/project/specs/news.softmax.json")]
    [InlineData("news.softmax.json", "/project/Models/News.cs", "/project/Models/news.softmax.json /project/out/Models/news.softmax.json", "/project/Models/news.softmax.json")]
    [InlineData("../shared/news.softmax.json", "/project/Program.cs", "/shared/news.softmax.json /project/shared/news.softmax.json", "/shared/news.softmax.json")]
    [InlineData("/far/news.softmax.json", "/project/Program.cs", "/far/news.softmax.json /project/far/news.softmax.json", "/far/news.softmax.json")]
    [InlineData("news.softmax.json", "/project/Program.cs", "/project/specs/news.softmax.json", "/project/specs/news.softmax.json")]
    [InlineData("news.softmax.json", "/project/Program.cs", "/elsewhere/news.softmax.json", "/elsewhere/news.softmax.json")]
    [InlineData("news.softmax.json", "/project/Program.cs", "/project/fakenews.softmax.json", null)]
    [InlineData("news.softmax.json", "/project/Program.cs", "/project/News.softmax.json /project/news.softmax.json", "/project/news.softmax.json")]
    [InlineData("News.softmax.json", "/project/Program.cs", "/project/a/News.softmax.json /project/b/news.softmax.json", "/project/a/News.softmax.json")]
    [InlineData("NEWS.softmax.json", "/project/Program.cs", "/project/news.softmax.json", "/project/news.softmax.json")]
    [InlineData("NEWS.softmax.json", "/project/Program.cs", "/project/News.softmax.json /project/news.softmax.json", "several")]
    [InlineData("news.softmax.json", "/project/Program.cs", "/project/News.softmax.json /project/other/news.softmax.json", "several")]
    [InlineData("news.softmax.json", "/project/Program.cs", "/project/en/news.softmax.json /project/de/news.softmax.json", "several")]
    [InlineData("news.softmax.json", "/project/Models/News.cs", "/project/news.softmax.json /project/Models/news.softmax.json", "several")]
    public void Spec_IsFoundByItsPathFirst(string name, string source, string files, string? expected)
    {
        // Each file has a hidden size of its own, which tells them apart in what is generated.
        var paths = files.Split(' ');
        var run = new GeneratorRun(
            $"[AdaptiveSoftmax.AdaptiveSoftmax(@\"{name}\")] internal sealed partial class News;", source, LanguageVersion.CSharp14,
            [.. paths.Select((path, i) => new TestFile(path, $$"""{ "hiddenSize": {{10 + i}}, "vocabulary": ["a", "b"], "cutoffs": [1] }"""))]);
        if (expected is null or "several")
        {
            var reported = Assert.Single(run.Reported);
            Assert.Equal(expected is null ? "ASMX1010" : "ASMX1011", reported.Id);
            Assert.Equal(source, reported.Location.GetLineSpan().Path);
            return;
        }

        run.Emit();
        Assert.Contains($"HiddenSize = {10 + Array.IndexOf(paths, expected)};", run.Sources["News.g.cs"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("news.tokens", "news.tokens News.tokens", "news.tokens")]
    [InlineData("News.tokens", "news.tokens News.tokens", "News.tokens")]
    [InlineData("NEWS.tokens", "news.tokens", "news.tokens")]
    [InlineData("./sub/../news.tokens", "News.tokens news.tokens", "news.tokens")]
    [InlineData("NEWS.tokens", "news.tokens News.tokens", null)]
    public void Table_IsFoundInItsOwnCaseFirst(string name, string files, string? expected)
    {
        var paths = files.Split(' ');
        var spec = $$"""{ "hiddenSize": 16, "vocabulary": ⟦"{{name}}"⟧, "cutoffs": [1] }""";
        var marked = Marked.Parse(spec);
        // Each table has a number of tokens of its own.
        var run = new GeneratorRun(
            "[AdaptiveSoftmax.AdaptiveSoftmax(\"news.softmax.json\")] internal sealed partial class News;",
            [new TestFile("/project/news.softmax.json", marked.Text), .. paths.Select((path, i) => new TestFile("/project/" + path, string.Concat(Enumerable.Range(0, i + 2).Select(id => $"{id}\t1\tt{id}\n"))))]);
        if (expected is null)
        {
            var reported = Assert.Single(run.Reported);
            Assert.Equal("ASMX1011", reported.Id);
            Assert.Equal(("/project/news.softmax.json", marked.Span), (reported.Location.GetLineSpan().Path, reported.Location.SourceSpan));
            return;
        }

        run.Emit();
        Assert.Contains($"VocabularySize = {2 + Array.IndexOf(paths, expected)};", run.Sources["News.g.cs"], StringComparison.Ordinal);
    }
}
