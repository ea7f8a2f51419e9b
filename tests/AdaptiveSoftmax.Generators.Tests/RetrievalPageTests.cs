namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The program of docs/retrieval.md is compiled and run as it stands there.</summary>
[Collection(PageProgram.Console)]
public sealed class RetrievalPageTests
{
    [Fact]
    public void TheProgramOfThePage_Decodes()
    {
        var program = new MarkdownPage("docs/retrieval.md").Block("csharp");
        var run = new GeneratorRun(PageProgram.Create(
            $$"""
            using var softmax = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(4, 30, new[] { 10, 20 }, new[] { 2, 1 }));
            foreach (var parameter in softmax.Parameters) parameter.Set(new float[parameter.Count]);
            int[] tokens = { 25, 3, 25 }, best = new int[1];
            float[] masses = { 4, 1, 4 }, logProbs = new float[1], hidden = { 1, 2, 3, 4 }, hiddenOfAllRows = { 1, 2, 3, 4, 4, 3, 2, 1 };
            var (options, random, sequence) = (DecodeOptions.Default, new SampleRandom(1), new DecodeSequence(softmax));
            DecodeSequence[] sequences = { sequence, new DecodeSequence(softmax) };
            var results = new DecodedToken[2];
            {{program}}
            Console.WriteLine(FormattableString.Invariant($"{best[0]} {greedy} {Math.Exp(logProb):F4} {cache.Count} {results[1].Token >= 0}"));
            """,
            "",
            "AdaptiveSoftmax"));

        // p is 1/12 for 10 tokens and 2 clusters, and a tenth of that in a cluster.
        Assert.Equal(FormattableString.Invariant($"25 25 {(0.8 / 120) + (0.2 * 8 / 9):F4} 1 True"), run.Execute().TrimEnd());
    }
}
