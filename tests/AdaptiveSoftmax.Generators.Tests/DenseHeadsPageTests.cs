namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The spec and the program of docs/dense-heads.md are compiled and run as they stand there, over a checkpoint.</summary>
[Collection(PageProgram.Console)]
public sealed class DenseHeadsPageTests
{
    [Fact]
    public void TheProgramOfThePage_DecodesACheckpoint()
    {
        var page = new MarkdownPage("docs/dense-heads.md");
        var program = page.Block("csharp");
        var declaration = program.IndexOf("[AdaptiveSoftmax(", StringComparison.Ordinal);
        var folder = Directory.CreateTempSubdirectory("dense-heads-");
        try
        {
            var run = new GeneratorRun(
                PageProgram.Create(
                $$"""
                using (var rows = new Parameter("model.embed_tokens.weight", 64, Gemma.HiddenSize))
                {
                    for (var token = 0; token < 64; token++) rows.EditRow(token, values => values[3] = token == 4 ? 2 : token > 5 ? 9 : 1);
                    new Checkpoint([rows]).Save(@"{{Path.Combine(folder.FullName, "model.safetensors")}}");
                }

                {{program[..declaration].Replace("using AdaptiveSoftmax;", "", StringComparison.Ordinal).Replace("\"gemma\"", $"@\"{folder.FullName}\"", StringComparison.Ordinal)}}
                """,
                program[declaration..],
                "AdaptiveSoftmax"),
                new TestFile("/project/gemma.softmax.json", page.Block("json")));
            Assert.Equal(["model.embed_tokens.weight: 192 bytes, 58 rows that are no token's", "river"], run.Execute().TrimEnd().Split(Environment.NewLine));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
