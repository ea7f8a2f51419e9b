namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>What is generated for small vocabularies, as text and as a program that runs.</summary>
public sealed class SnapshotTests
{
    [Fact]
    public void InlineVocabulary_CompletesTheClass()
    {
        var run = new GeneratorRun(
            """
            using System;
            using AdaptiveSoftmax;

            namespace Shop
            {
                /// <summary>Words of a shop.</summary>
                [AdaptiveSoftmax("words.softmax.json")]
                public sealed partial class Words;
            }

            /// <summary>Uses the generated class.</summary>
            public static class Program
            {
                /// <summary>Runs it.</summary>
                public static string Run()
                {
                    using var softmax = Shop.Words.Create();
                    Span<float> logProbs = stackalloc float[Shop.Words.VocabularySize];
                    softmax.LogProb(new float[Shop.Words.HiddenSize], logProbs);
                    var found = Shop.Words.Vocabulary.TryGetSlot("pear"u8, out var slot);
                    return $"{Shop.Words.VocabularySize} {Shop.Words.HiddenSize} {Shop.Words.ShortlistSize} {Shop.Words.ClusterCount} {string.Join(',', Shop.Words.Cutoffs.ToArray())} {found} {slot} {logProbs[0]:F3} {softmax.Head.Weight.Rows} {softmax.Tail0.Output.Columns}";
                }
            }
            """,
            new TestFile("/project/words.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["the", "apple", "pear", "plum", "fig", "a very long name of a fruit"], "cutoffs": [2, 4] }"""));
        Assert.Equal("6 16 2 2 2,4 True TokenSlot { Id = 2, Slot = 2, Cluster = 1, Index = 0 } -1.386 4 4", run.Execute());
        Snapshot.Check(run);
    }
}
