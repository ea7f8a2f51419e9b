namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The program of docs/chat.md is compiled and run as it stands there.</summary>
[Collection(PageProgram.Console)]
public sealed class ChatPageTests
{
    [Fact]
    public void TheProgramOfThePage_Answers()
    {
        var page = new MarkdownPage("docs/chat.md");
        var run = new GeneratorRun(
            PageProgram.Create(
                $$"""
                RunAsync().GetAwaiter().GetResult();

                static async Task RunAsync()
                {
                {{page.Block("csharp")}}
                }
                """,
                "[AdaptiveSoftmax(\"words.softmax.json\")] internal sealed partial class Words;",
                "AdaptiveSoftmax", "AdaptiveSoftmax.Extensions.AI", "Microsoft.Extensions.AI", "Microsoft.Extensions.DependencyInjection", "System.Linq", "System.Text", "System.Threading.Tasks"),
            new TestFile("/project/words.softmax.json", page.Block("json"))).WithReferences(GeneratorRun.ChatReferences);
        var output = run.Execute();
        Assert.Equal("the river bank (stop, 2 tokens) bank", output);
        Assert.Contains($"It writes `{output}`", page.Text, StringComparison.Ordinal);
    }
}
