namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The program of docs/onnx.md is compiled and run as it stands there.</summary>
[Collection(PageProgram.Console)]
public sealed class OnnxPageTests
{
    [Fact]
    public void TheProgramOfThePage_WritesModels()
    {
        var program = new MarkdownPage("docs/onnx.md").Block("csharp");
        var run = new GeneratorRun(PageProgram.Create(
            $$"""
            using var softmax = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(4, 30, new[] { 10, 20 }, new[] { 2, 1 }));
            {{program}}
            Console.Write(string.Join("|", files));
            """,
            "",
            "System.Collections.Generic",
            "AdaptiveSoftmax"));
        string[] models = ["news.onnx", "news-all.onnx", .. run.Execute().Split('|')];
        Assert.Equal(4, models.Length);
        foreach (var file in models)
        {
            Assert.True(File.Exists(file), file);
            File.Delete(file);
        }
    }
}
