using Microsoft.CodeAnalysis;
using Xunit.Sdk;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The test on docs/snapshots.md is compiled and run as a user's.</summary>
public sealed class SnapshotsPageTests
{
    private const string Spec = """{ "hiddenSize": 8, "vocabulary": ["the", "of", "market", "bank", "river", "otter"], "cutoffs": [2, 4], "divValue": 2 }""";

    [Fact]
    public void TheTestOfThePage_PinsTheClass()
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-pinned-").FullName;
        try
        {
            var (received, verified) = (Path.Combine(folder, "Words.received.txt"), Path.Combine(folder, "Words.verified.txt"));
            Assert.ThrowsAny<XunitException>(() => Run(Spec));
            var text = File.ReadAllText(received);
            Assert.StartsWith("fingerprint ", text, StringComparison.Ordinal);
            Assert.Contains("tokens 6, hidden size 8\nshortlist 2, cutoffs 2 4\nslot 0: id 0 the\n", text, StringComparison.Ordinal);
            Assert.EndsWith("slot 5: id 5 otter\n", text, StringComparison.Ordinal);
            File.Move(received, verified);
            Run(Spec);
            Assert.False(File.Exists(received));

            var changed = Assert.ThrowsAny<XunitException>(() => Run(Spec.Replace("bank", "banks", StringComparison.Ordinal)));
            Assert.Contains("banks", File.ReadAllText(received), StringComparison.Ordinal);
            Assert.Contains("fingerprint ", changed.Message, StringComparison.Ordinal);
            Run(Spec);
            Assert.False(File.Exists(received));

            // A token may hold a line end of Windows, and a checkout make one.
            var ends = Spec.Replace("bank", "ba\\r\\nnk", StringComparison.Ordinal);
            Assert.ThrowsAny<XunitException>(() => Run(ends));
            File.Move(received, verified, overwrite: true);
            Run(ends);
            File.WriteAllText(verified, File.ReadAllText(verified).ReplaceLineEndings("\r\n"));
            Run(ends);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        void Run(string spec)
        {
            var test = new MarkdownPage("docs/snapshots.md").Block("csharp");
            var source = "#pragma warning disable CS1591\nusing System;\nusing System.IO;\n" + test + "[AdaptiveSoftmax.AdaptiveSoftmax(\"words.softmax.json\")] internal sealed partial class Words;";
            var run = new GeneratorRun(source, Path.Combine(folder, "ClassSnapshot.cs"), GeneratorRun.ParseOptions.LanguageVersion, new TestFile("/project/words.softmax.json", spec))
                .WithReferences([.. GeneratorRun.References, MetadataReference.CreateFromFile(typeof(FactAttribute).Assembly.Location), MetadataReference.CreateFromFile(typeof(Assert).Assembly.Location)]);
            GeneratorRun.Load(run.Emit(), assembly =>
            {
                var type = assembly.GetType("ClassSnapshot", throwOnError: true)!;
                type.GetMethod("Words_AreWhatWeightsWereTrainedFor")!.Invoke(Activator.CreateInstance(type), System.Reflection.BindingFlags.DoNotWrapExceptions, null, null, null);
                return "";
            });
        }
    }
}
