using System.IO.Compression;

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>A project that knows the package only gets the generator, its files and its errors.</summary>
public sealed class PackageTests(PackedFeed feed)
{
    private const string Program = """
        #pragma warning disable CA1515, CS8981
        using System.Globalization;
        using AdaptiveSoftmax;
        using Consumer;
        [assembly: CLSCompliant(true)]

        using var softmax = Words.Create(seed: 7);
        float[] hidden = [.. Enumerable.Range(0, 2 * Words.HiddenSize).Select(i => MathF.Sin(i))];
        var gradient = new float[hidden.Length];
        using var optimizer = new Sgd(learningRate: 1);
        var first = softmax.Backward(hidden, [30, 10], gradient);
        optimizer.Step(softmax);
        for (var i = 0; i < 50; i++)
        {
            softmax.Backward(hidden, [30, 10], gradient);
            optimizer.Step(softmax);
        }

        var found = Words.Vocabulary.TryGetSlot("mat", out var slot);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Words.VocabularySize} {found} {slot.Cluster} {softmax.Predict(hidden.AsSpan(0, Words.HiddenSize))} {softmax.Loss(hidden, [30, 10]) < first}"));

        namespace Consumer
        {
            /// <summary>Words.</summary>
            [AdaptiveSoftmax("words.softmax.json")]
            internal sealed partial class Words;

            /// <summary>The same words, as a library would show them.</summary>
            [AdaptiveSoftmax("words.softmax.json")]
            public sealed partial class @record;
        }
        """;

    private const string Table = "10\t9\tthe\n20\t5\tcat\n30\t5\tmat\n40\t1\t\\xF0\\x9F\\x90\\xB1\n";

    [Fact]
    public void Package_CarriesGeneratorAndTargets()
    {
        using var package = ZipFile.OpenRead(feed.PackagePath);
        var entries = package.Entries.Select(entry => entry.FullName).ToHashSet();
        Assert.Superset(
            new HashSet<string>
            {
                "README.md",
                "analyzers/dotnet/cs/AdaptiveSoftmax.Generators.dll",
                "analyzers/dotnet/cs/AdaptiveSoftmax.Generators.CodeFixes.dll",
                "analyzers/dotnet/cs/AdaptiveSoftmax.Vocabulary.dll",
                "build/net10.0/AdaptiveSoftmax.targets",
                "buildTransitive/net10.0/AdaptiveSoftmax.targets",
                "docs/diagnostics/ASMX1001.md",
                "docs/diagnostics/ASMX4001.md",
                "lib/net10.0/AdaptiveSoftmax.dll",
                "lib/net10.0/AdaptiveSoftmax.xml",
                "schema/softmax.schema.json",
            },
            entries);
        // Files to import for any framework would let projects for others restore what they cannot use.
        Assert.DoesNotContain(entries, entry => entry.StartsWith("build", StringComparison.Ordinal) && entry.Split('/').Length < 3);
        // The compiler brings Roslyn and the framework itself; a second copy would not load.
        Assert.Equal(3, entries.Count(entry => entry.StartsWith("analyzers/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Consumer_BuildsWithoutWarningsAndRuns()
    {
        var folder = feed.CreateProject(
            "Consumer",
            ("Program.cs", Program),
            ("Specs/words.softmax.json", """{ "$schema": "../obj/softmax.schema.json", "hiddenSize": 16, "vocabulary": "words.tokens", "cutoffs": [1, 3] }"""),
            ("Specs/words.tokens", Table));
        var (exitCode, output) = await DotNet.RunAsync(folder, "build", "--configuration", "Release", "--output", "out");
        Assert.True(exitCode == 0, output);
        Assert.True(File.Exists(Path.Combine(folder, "obj/softmax.schema.json")), output);
        (exitCode, output) = await DotNet.RunAsync(folder, "out/Consumer.dll");
        Assert.True(exitCode == 0, output);
        Assert.Equal("4 True 1 30 True", output.Trim());
    }

    [Fact]
    public async Task Faults_AreBuildErrorsAtTheirPlace()
    {
        var folder = feed.CreateProject(
            "Faulty",
            ("Program.cs", """
                using AdaptiveSoftmax;

                [AdaptiveSoftmax("words.softmax.json")]
                internal sealed partial class Words;

                [AdaptiveSoftmax("word.softmax.json")]
                internal sealed class Others;
                """),
            ("words.softmax.json", "{\n  \"hiddenSize\": 16,\n  \"vocabulary\": \"words.tokens\",\n  \"cutoffs\": [1, 9]\n}\n"),
            ("words.tokens", Table));
        var (exitCode, output) = await DotNet.RunAsync(folder, "build");
        Assert.Equal(1, exitCode);
        Assert.Contains("words.softmax.json(4,18): error ASMX2012: ", output, StringComparison.Ordinal);
        Assert.Contains("Program.cs(7,23): error ASMX1001: ", output, StringComparison.Ordinal);
        Assert.Contains("Program.cs(6,2): error ASMX1010: ", output, StringComparison.Ordinal);
        Assert.Contains("did you mean 'words.softmax.json'?", output, StringComparison.Ordinal);
    }
}
