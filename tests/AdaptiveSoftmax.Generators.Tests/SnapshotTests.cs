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
                    return $"{Shop.Words.VocabularySize} {Shop.Words.HiddenSize} {Shop.Words.ShortlistSize} {Shop.Words.TailCount} {string.Join(',', Shop.Words.Cutoffs.ToArray())} {found} {slot} {logProbs[0]:F3} {softmax.Head.Weight.Rows} {softmax.Tail0.Output.Columns}";
                }
            }
            """,
            new TestFile("/project/words.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["the", "apple", "pear", "plum", "fig", "a very long name of a fruit"], "cutoffs": [2, 4] }"""));
        Assert.Equal("6 16 2 2 2,4 True TokenSlot { Id = 2, Slot = 2, Cluster = 1, Index = 0 } -1.386 4 4", run.Execute());
        Snapshot.Check(run);
    }

    [Fact]
    public void PrecisionOfTheSpec_IsWhatQuantizeTakes()
    {
        var run = new GeneratorRun(
            """
            using AdaptiveSoftmax;

            /// <summary>Words.</summary>
            [AdaptiveSoftmax("words.softmax.json")]
            public sealed partial class Words;

            /// <summary>Uses the generated class.</summary>
            public static class Program
            {
                /// <summary>Runs it.</summary>
                public static string Run()
                {
                    using var softmax = Words.Create();
                    using var quantized = softmax.Quantize();
                    return $"{quantized.Precision.Head} {string.Join(',', quantized.Precision.TailOverrides)} {quantized.WeightBytes}";
                }
            }
            """,
            new TestFile("/project/words.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["a", "b", "c", "d", "e", "f"], "cutoffs": [2, 4], "precision": { "head": "bfloat16", "tails": ["int8", "float32"] } }"""));
        // The head 4 × 16 × 2; the first tail's projection 4 × 16 × 2 and output 2 × 4 with two scales; the second's 1 × 16 and 2 × 1 of 4.
        Assert.Equal("BFloat16 Int8,Float32 344", run.Execute());
    }

    [Fact]
    public void FullSoftmax_HasAllThatAnAdaptiveOneHas_ButTails()
    {
        var run = new GeneratorRun(
            """
            using System;
            using System.IO;
            using AdaptiveSoftmax;

            /// <summary>Terms.</summary>
            [AdaptiveSoftmax("terms.softmax.json")]
            public sealed partial class Terms;

            /// <summary>Uses the generated class.</summary>
            public static class Program
            {
                /// <summary>Runs it.</summary>
                public static string Run()
                {
                    using var softmax = Terms.Create();
                    // A logit is the head's row times the vector, which is that of one token and no other.
                    for (var row = 0; row < 5; row++) softmax.Head.Weight.EditRow(row, values => { values.Clear(); values[row] = row + 1; });
                    var hidden = new float[Terms.HiddenSize];
                    hidden[3] = 2;
                    var predicted = softmax.Predict(hidden);
                    float[] logProbs = new float[5];
                    softmax.LogProb(hidden, logProbs);
                    using var optimizer = new Sgd(0.5);
                    var losses = new float[2];
                    for (var step = 0; step < 2; step++)
                    {
                        losses[step] = softmax.Backward(hidden, [9], new float[8]);
                        optimizer.Step(softmax);
                    }

                    using var stream = new MemoryStream();
                    softmax.Save(stream);
                    stream.Position = 0;
                    using var loaded = Terms.Load(stream);
                    using var quantized = loaded.Quantize();
                    using var certified = loaded.Certify();
                    var found = Terms.Vocabulary.TryGetSlot("fig"u8, out var slot);
                    return FormattableString.Invariant($"{Terms.LogitScale} {Terms.LogitSoftCap} {Terms.TailCount} {Terms.Cutoffs.Length} {Terms.ShortlistSize} {found} {slot} {predicted} {logProbs[3]:F3} {losses[0]:F3} {losses[1] < losses[0]} {quantized.Precision.Head} {quantized.Predict(hidden) == certified.Predict(hidden)} {softmax.Parameters.Count} {OfCheckpoint(hidden)}");
                }

                // A checkpoint's rows are token ids, and two of them are no token's.
                private static string OfCheckpoint(float[] hidden)
                {
                    var path = Path.GetTempFileName();
                    try
                    {
                        using var rows = new Parameter("model.lm_head.weight", 12, Terms.HiddenSize);
                        rows.EditRow(9, values => values[3] = 1);
                        rows.EditRow(11, values => values[3] = 2);
                        new Checkpoint([rows]).Save(path);
                        using var head = Terms.LoadHead(path);
                        using var stream = File.OpenRead(path);
                        using var ofStream = Terms.LoadHead(stream);
                        return $"{head.Predict(hidden)} {ofStream.Predict(hidden)} {head.UnusedRows}";
                    }
                    finally
                    {
                        File.Delete(path);
                    }
                }
            }
            """,
            new TestFile("/project/terms.softmax.json", """{ "hiddenSize": 8, "vocabulary": [{ "token": "the", "id": 9 }, "apple", "pear", "plum", "fig"], "softmax": "full", "logitScale": 1, "logitSoftCap": 30.0, "precision": { "head": "int8" } }"""));
        // Ids of equal counts rank ascending: 1, 2, 3, 4, 9. Slot 3 is id 4, "fig", whose logit is 2 · 4; the others' are 0,
        // and 30 · tanh(8 / 30) is 7.816.
        Assert.Equal("1 30 0 0 5 True TokenSlot { Id = 4, Slot = 3, Cluster = 0, Index = 3 } 4 -0.002 7.817 True Int8 True 1 9 9 7", run.Execute());
        Snapshot.Check(run);
        Assert.NotEmpty(run.WithReferences(GeneratorRun.GpuReferences).Emit());
    }

    [Fact]
    public void NestedInGenericTypes_CompletesTheClass()
    {
        var run = new GeneratorRun(
            """
            using AdaptiveSoftmax;

            namespace @event.Inner
            {
                internal partial interface IOuter
                {
                    internal partial record struct Pair<T, @class>(T First)
                        where T : struct
                    {
                        [AdaptiveSoftmax("specs/keywords.softmax.json")]
                        private sealed partial class @int;

                        public static string Describe() => $"{@int.VocabularySize} {@int.Vocabulary.GetSlot(5).Slot} {@int.Create(seed: 3).Head.Bias!.Rows}";
                    }
                }
            }

            internal static class Program
            {
                public static string Run() => @event.Inner.IOuter.Pair<int, string>.Describe();
            }
            """,
            new TestFile("/project/specs/keywords.softmax.json", """{ "hiddenSize": 4, "vocabulary": [{ "token": "in", "id": 5, "count": 2 }, { "bytes": "ff00", "id": 9 }], "cutoffs": [1], "headBias": true }"""));
        Assert.Equal("2 0 2", run.Execute());
        Snapshot.Check(run);
    }

    [Fact]
    public void TableOfSparseIds_CompletesTheClassInTheGlobalNamespace()
    {
        var run = new GeneratorRun(
            """
            using System;
            using System.IO;

            [AdaptiveSoftmax.AdaptiveSoftmax("sparse.softmax.json")]
            internal partial class Sparse : IComparable
            {
                public int CompareTo(object? obj) => 0;
            }

            internal static class Program
            {
                public static string Run()
                {
                    var path = Path.GetTempFileName();
                    try
                    {
                        using var first = Sparse.Create(seed: 5);
                        first.Save(path);
                        using var second = Sparse.Load(path);
                        float[] hidden = [1, 2, 3, 4, 5, 6, 7, 8];
                        var isSame = first.Predict(hidden) == second.Predict(hidden) && first.Tail1.Projection.Values.SequenceEqual(second.Tail1.Projection.Values);
                        var hasOther = Sparse.Vocabulary.TryGetSlot(77, out _) || Sparse.Vocabulary.TryGetSlot("dog", out _) || Sparse.Vocabulary.TryGetSlot("\uD800", out _);
                        return $"{isSame} {hasOther} {Sparse.Vocabulary.GetSlot(2000000000)} {Sparse.Vocabulary.GetTokenId(1)} {Sparse.Vocabulary.TryGetSlot([0xFF, 0x20], out var bytes)} {bytes.Index} {first.Identity.Fingerprint == Sparse.Fingerprint}";
                    }
                    finally
                    {
                        File.Delete(path);
                    }
                }
            }
            """,
            new TestFile("/project/sparse.softmax.json", """{ "hiddenSize": 8, "vocabulary": "tables/sparse.tokens", "cutoffs": [1, 3], "projections": [3, 2] }"""),
            new TestFile("/project/tables/sparse.tokens", "4000\t7\tthe\n12\t6\t\\xFF\\x20\n2000000000\t6\tcat\n900000\t0\t\n"));
        Assert.Equal("True False TokenSlot { Id = 2000000000, Slot = 2, Cluster = 1, Index = 1 } 12 True 0 True", run.Execute());
        Snapshot.Check(run);
    }

    [Fact]
    public void ClassesThatDifferInCase_HaveFilesOfTheirOwn()
    {
        var run = new GeneratorRun(
            """
            [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class News;
            [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] internal sealed partial class NEWS;
            internal static class Program { public static string Run() => News.Fingerprint == NEWS.Fingerprint ? "same" : "other"; }
            """,
            new TestFile("/project/x.softmax.json", """{ "hiddenSize": 4, "vocabulary": ["a", "b"], "cutoffs": [1] }"""));
        Assert.Equal("same", run.Execute());
        Assert.Equal(["NEWS.Tables.g.cs", "NEWS.g.cs", "News-2.Tables.g.cs", "News-2.g.cs"], run.Sources.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ReferenceToTheGpuPackage_AddsTheLayerOnADevice()
    {
        var run = new GeneratorRun(
            """
            using AdaptiveSoftmax;
            using ILGPU.Runtime;

            /// <summary>Words of a shop.</summary>
            [AdaptiveSoftmax("words.softmax.json")]
            public sealed partial class Words;

            /// <summary>Uses the generated class.</summary>
            public static class Program
            {
                /// <summary>Runs it.</summary>
                public static int Run(Accelerator accelerator)
                {
                    using var softmax = Words.Create(accelerator, seed: 3);
                    using var host = softmax.ToCpu();
                    using var again = host.ToGpu(accelerator);
                    return again.Tail0.Output.Columns + softmax.Head.Weight.Rows;
                }
            }
            """,
            new TestFile("/project/words.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["the", "apple", "pear", "plum", "fig"], "cutoffs": [2], "headBias": true }"""))
            .WithReferences(GeneratorRun.GpuReferences);
        run.Emit();
        Snapshot.Check(run);
    }

    [Theory]
    [InlineData("public partial class Outer", "public sealed partial class Words", false)]
    [InlineData("public partial class Outer", "internal sealed partial class Words", true)]
    [InlineData("partial class Outer", "public sealed partial class Words", true)]
    public void ClassThatILGPUWouldNotSee_MakesItAFriend(string outer, string words, bool isFriend)
    {
        var run = new GeneratorRun(
            $$"""
            using AdaptiveSoftmax;
            #pragma warning disable CS1591
            {{outer}}
            {
                [AdaptiveSoftmax("words.softmax.json")]
                {{words}};
            }

            [AdaptiveSoftmax("words.softmax.json")]
            public sealed partial class Others;
            """,
            new TestFile("/project/words.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["the", "apple", "pear", "plum", "fig"], "cutoffs": [2] }"""));
        Assert.DoesNotContain(GeneratedFiles.Friend, run.Sources.Keys);
        run = run.WithReferences(GeneratorRun.GpuReferences);
        var assembly = System.Reflection.Assembly.Load(run.Emit());
        var friends = assembly.GetCustomAttributes(typeof(System.Runtime.CompilerServices.InternalsVisibleToAttribute), inherit: false);
        Assert.Equal(isFriend, friends.Length == 1);
        Assert.Equal(isFriend, run.Sources.ContainsKey(GeneratedFiles.Friend));
    }
}
