using System.Text.Json;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>docs/specs.md, docs/generated-class.md and docs/first-steps.md name what there is, and their programs run.</summary>
[Collection(PageProgram.Console)]
public sealed partial class ReferencePagesTests
{
    private static readonly MarkdownPage s_specs = new("docs/specs.md");
    private static readonly MarkdownPage s_class = new("docs/generated-class.md");

    [Fact]
    public void MembersOfASpec_AreThoseOfTheSchema()
    {
        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(MarkdownPage.Root, "src/AdaptiveSoftmax.Vocabulary/schema/softmax.schema.json")));
        var token = s_specs.Text.IndexOf("A token of a list", StringComparison.Ordinal);
        Assert.Equal(Names(schema.RootElement), Rows(s_specs.Text[..token]).Order(StringComparer.Ordinal));
        Assert.Equal(Names(schema.RootElement.GetProperty("definitions").GetProperty("token")), Rows(s_specs.Text[token..]).Order(StringComparer.Ordinal));

        static IEnumerable<string> Names(JsonElement type) => type.GetProperty("properties").EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal);
    }

    [Fact]
    public void SpecAndTableOfThePage_AreRead()
    {
        var spec = SpecReader.Read("news.softmax.json", s_specs.Block("json"));
        Assert.Empty(spec.Errors);
        var table = TokenTableReader.Read("news.tokens", s_specs.Block("tokens"));
        Assert.Empty(table.Errors);
        Assert.Equal(1, table.Table!.PinnedCount);
        Assert.Equal(" the"u8, table.Table.GetToken(2));
        Assert.Equal("café"u8, table.Table.GetToken(3));
    }

    [Fact]
    public void TheProgramOfTables_WritesOne()
    {
        var folder = Directory.CreateTempSubdirectory("specs-page-");
        try
        {
            File.WriteAllLines(Path.Combine(folder.FullName, "words.txt"), ["otter\t2", "the\t90", "river\t7"]);
            var program = Regex.Replace(s_specs.Block("csharp"), "\"(words\\.[a-z]+)\"", match => $"@\"{Path.Combine(folder.FullName, match.Groups[1].Value)}\"");
            new GeneratorRun(PageProgram.Create(program, "", "AdaptiveSoftmax.Vocabulary", "System.Globalization", "System.Linq", "System.Text")).Execute();
            Assert.Equal("1\t90\tthe\n2\t7\triver\n0\t2\totter\n", File.ReadAllText(Path.Combine(folder.FullName, "words.tokens")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void MembersOfTheClass_AreThoseThatAreGenerated()
    {
        // What only derived classes and the generated source itself see.
        string[] inner = ["CreateZeros", "FindSlot", "GetTokenId", "Tables", "s_identity", "DefaultQuantization", "TensorCores"];
        string[] generated =
        [
            .. GeneratedMembers.Methods.Select(method => method.Name), .. GeneratedMembers.FullMethods.Select(method => method.Name),
            .. GeneratedMembers.GpuMethods.Select(method => method.Name), .. GeneratedMembers.Types, .. GeneratedMembers.GpuTypes,
            .. GeneratedMembers.Values, .. GeneratedMembers.FullValues, .. GeneratedMembers.TailEndings.Select(ending => $"Tail0{ending}"),
        ];
        Assert.Equal([], generated.Except(inner).Where(name => !s_class.Text.Contains($"`{name}`", StringComparison.Ordinal)));

        // And no others: the first column of the tables before the vocabulary's.
        var named = Rows(s_class.Text[..s_class.Text.IndexOf("## `Vocabulary`", StringComparison.Ordinal)]);
        Assert.Equal([], named.Except(generated));
    }

    [Fact]
    public void TheProgramsOfTheClass_Run()
    {
        var first = new MarkdownPage("docs/first-steps.md").Block("csharp").Replace("NewsSoftmax", "Words", StringComparison.Ordinal);
        var run = new GeneratorRun(
            PageProgram.Create(
                $"""
                const int UnknownId = 77;
                {first}
                {s_class.Block("csharp")}
                Console.WriteLine(IdOf("otter") + " " + IdOf("whale"));
                """,
                """[AdaptiveSoftmax("words.softmax.json")] public sealed partial class Words;""",
                "AdaptiveSoftmax", "System.Text"),
            new TestFile("/project/words.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["the", "of", "market", "bank", "river", "otter"], "cutoffs": [2, 3], "divValue": 2 }"""));
        Assert.Equal(["id 4, slot 4: token 1 of cluster 2", "True", "5 77"], run.Execute().TrimEnd().Split(Environment.NewLine));
    }

    /// <summary>What stands in code in the first column of a page's tables.</summary>
    private static List<string> Rows(string page) =>
        [.. page.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).SelectMany(line => Code.Matches(line[..line.IndexOf('|', 1)])).Select(match => match.Groups[1].Value)];

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code { get; }
}
