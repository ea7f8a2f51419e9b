namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The program of docs/drafts.md is compiled and run as it stands there, with a draft that is near the model.</summary>
[Collection(PageProgram.Console)]
public sealed class DraftsPageTests
{
    [Fact]
    public void TheProgramOfThePage_DecodesWithADraft()
    {
        var program = new MarkdownPage("docs/drafts.md").Block("csharp");
        var run = new GeneratorRun(PageProgram.Create(
            $$"""
            const int Drafted = 3, Length = 40;
            using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 60, new[] { 10, 20, 40 }, new[] { 4, 3, 2 }), seed: 5);
            {{program}}
            Console.WriteLine(sequence.History.Length >= Length);
            Console.WriteLine(speculation.Statistics.TokensPerVerification > 3);

            float[] Hidden(IEnumerable<int> text)
            {
                var random = new Random(text.Aggregate(17, (hash, token) => unchecked((hash * 31) + token)));
                return Enumerable.Range(0, 8).Select(_ => random.NextSingle() - 0.5f).ToArray();
            }

            // The model's own, a little off.
            float[] DraftLogits(IEnumerable<int> text)
            {
                var logProbs = new float[60];
                softmax.LogProb(Hidden(text), logProbs);
                return logProbs.Select((logProb, token) => logProb + (0.1f * MathF.Sin(token))).ToArray();
            }
            """,
            "",
            "AdaptiveSoftmax", "AdaptiveSoftmax.Vocabulary", "System.Collections.Generic", "System.Linq"));
        var lines = run.Execute().TrimEnd().Split(Environment.NewLine);
        Assert.EndsWith(" tokens a verification", lines[0], StringComparison.Ordinal);
        Assert.Equal(["True", "True"], lines[1..]);
    }
}
