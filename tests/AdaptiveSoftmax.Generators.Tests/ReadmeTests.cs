using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The README's spec and program are compiled and run as they stand there.</summary>
[Collection(PageProgram.Console)]
public sealed partial class ReadmeTests
{
    [Fact]
    public void TheProgramInTheReadme_CompilesAndLearns()
    {
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md"));
        var spec = JsonBlock.Match(readme).Groups[1].Value;
        var program = CSharpBlock.Match(readme).Groups[1].Value;
        var declaration = program.IndexOf("[AdaptiveSoftmax(", StringComparison.Ordinal);
        var statements = program[..declaration].Replace("using AdaptiveSoftmax;", "", StringComparison.Ordinal);
        var weights = Path.Combine(Path.GetTempPath(), $"readme-{Guid.NewGuid():N}.safetensors");
        try
        {
            var run = new GeneratorRun(
                PageProgram.Create(statements.Replace("\"news.safetensors\"", $"@\"{weights}\"", StringComparison.Ordinal), program[declaration..], "AdaptiveSoftmax"),
                new TestFile("/project/news.softmax.json", spec));
            var lines = run.Execute().TrimEnd().Split(Environment.NewLine);
            Assert.Equal(6, lines.Length);
            var losses = lines[..5].Select(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.CurrentCulture)).ToArray();
            // Six equally likely tokens cost about ln 6 = 1.79 before training.
            Assert.InRange(losses[0], 1.0, 3.0);
            Assert.InRange(losses[^1], 0, 0.2);
            Assert.Equal("river", lines[^1]);
            Assert.True(File.Exists(weights));
        }
        finally
        {
            File.Delete(weights);
        }
    }

    // Compiled, not run: here is no device to open.
    [Fact]
    public void TheProgramOnAGpu_Compiles()
    {
        var page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "gpu.md"));
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md"));
        var program = CSharpBlock.Match(page).Groups[1].Value;
        var declaration = program.IndexOf("[AdaptiveSoftmax(", StringComparison.Ordinal);
        var statements = program.IndexOf("using var context", StringComparison.Ordinal);
        var run = new GeneratorRun(
            $$"""
            #pragma warning disable CS1591
            using System;
            {{program[..statements]}}

            public static class Program
            {
                public static void Run()
                {
                    {{program[statements..declaration]}}
                }
            }

            {{program[declaration..]}}
            """,
            new TestFile("/project/news.softmax.json", JsonBlock.Match(readme).Groups[1].Value)).WithReferences(GeneratorRun.GpuReferences);
        run.Emit();
    }

    [Fact]
    public void TheProgramOfDecoding_CompilesAndRuns()
    {
        var page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "decoding.md"));
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md"));
        // What is for a softmax without tails has one of its own.
        var blocks = CSharpBlock.Matches(page).Select(block => block.Groups[1].Value).ToLookup(block => block.Contains(" head.", StringComparison.Ordinal));
        var run = new GeneratorRun(
            $$"""
            #pragma warning disable CS1591
            using AdaptiveSoftmax;

            public static class Program
            {
                private static void RunDense(float[] hidden, int[] tokens, float[] logProbs)
                {
                    using var head = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.CreateFull(8, 6), seed: 1);
                    var random = new SampleRandom(1, 0, 0);
                    {{string.Concat(blocks[true])}}
                }

                public static string Run()
                {
                    RunDense(new float[8], new int[3], new float[3]);
                    using var softmax = News.Create(seed: 1);
                    float[] hidden = [1, 0, 0, 1, 0, 0, 0, 0], hiddenOfAllRows = [.. hidden, .. hidden], logProbs = new float[3];
                    int[] tokens = new int[3], targets = [1, 4], prompt = [0, 2], digitTokens = [3, 5];
                    DecodeSequence[] sequences = [new(softmax, DecodeOptions.Greedy), new(softmax)];
                    var results = new DecodedToken[2];
                    const int endOfText = 5, token = 4, accepted = 2, position = 0;
                    ulong[] bitsOfTheGrammar = [0b110100];
                    BeamStep step = (parents, chosen, vectors) => vectors.Fill(0.5f);
                    {{string.Concat(blocks[false])}}
                    return $"{tokens[0] == results[0].Token} {perplexity > 1} {best.Count} {logProb < 0} {digits.Mask is not null} {biased.Bias is not null} {result.Count} {next.UnseenMass}";
                }
            }

            [AdaptiveSoftmax("news.softmax.json")]
            public sealed partial class News;
            """,
            new TestFile("/project/news.softmax.json", JsonBlock.Match(readme).Groups[1].Value));
        Assert.Equal("True True 1 True True True 3 0", run.Execute());
    }

    [Fact]
    public void TheProgramOfMonitoring_CompilesAndRuns()
    {
        var page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "monitoring.md"));
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md"));
        var folder = Directory.CreateTempSubdirectory("monitoring-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "news.tokens"), "0\t600\tthe\n1\t200\tof\n2\t100\tmarket\n3\t50\tbank\n4\t30\triver\n5\t20\totter\n");
            var run = new GeneratorRun(
                PageProgram.Create(
                $$"""
                using var softmax = News.Create(seed: 1);
                // As many otters as the table has of all tokens, in the second language.
                var requests = Enumerable.Range(0, 400).Select(i => (Enumerable.Range(0, 100).Select(k => i % 2 == 1 ? 5 : k < 60 ? 0 : k < 80 ? 1 : k < 90 ? 2 : k < 95 ? 3 : k < 98 ? 4 : 5).ToArray(), i % 2 == 0 ? "en" : "fr"));
                float[] hiddenOfAllRows = new float[16], bestLogProbs = new float[3];
                int[] predicted = new int[2], targets = [1, 4], bestTokens = new int[3];
                var contextKey = (UInt128)1;
                Action<Span<float>> body = hidden => hidden.Fill(0.5f);
                {{CSharpBlock.Match(page).Groups[1].Value.Replace("\"news.tokens\"", $"@\"{folder}/news.tokens\"", StringComparison.Ordinal).Replace("\"today.tokens\"", $"@\"{folder}/today.tokens\"", StringComparison.Ordinal)}}
                """,
                """
                [AdaptiveSoftmax("news.softmax.json")]
                public sealed partial class News;
                """,
                "System.Linq",
                "AdaptiveSoftmax"),
                new TestFile("/project/news.softmax.json", JsonBlock.Match(readme).Groups[1].Value));
            Assert.Equal("fr: the head has 0 % of the tokens, once 80 %|20000 tokens, stability 0.00, divergence 0.00", run.Execute().TrimEnd().Replace(Environment.NewLine, "|", StringComparison.Ordinal));
            Assert.StartsWith("5\t", File.ReadAllText(Path.Combine(folder, "today.tokens")), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex JsonBlock { get; }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock { get; }
}
