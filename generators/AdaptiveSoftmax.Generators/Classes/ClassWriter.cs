using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>Writes the generated half of a class; here, the file with sizes, layers, look-ups and factories.</summary>
internal static partial class ClassWriter
{
    public static SourceText WriteClass(ClassSource source)
    {
        var writer = new SourceWriter();
        OpenClass(writer, source.Class, source.SpecPath, BaseOf(source));
        if (source.IsStandIn)
            writer.WriteLines("// The spec is missing or wrong, which is reported there. This stands in for the class, so that nothing else is reported.\n");
        WriteSizes(writer, source);
        writer.WriteLine();
        WriteFactories(writer, source);
        writer.WriteLine();
        WriteVocabulary(writer, source.Layout);
        writer.WriteLine();
        WriteLayers(writer, source);
        CloseClass(writer, source.Class);
        return writer.ToText();
    }

    private static void WriteSizes(SourceWriter writer, ClassSource source)
    {
        var layout = source.Layout;
        writer.OpenRegion("Sizes");
        writer.WriteLines($$"""
            /// <summary>The number of tokens V.</summary>
            {{GeneratedCode}}
            public const int VocabularySize = {{Text(layout.VocabularySize)}};

            /// <summary>The hidden size H.</summary>
            {{GeneratedCode}}
            public const int HiddenSize = {{Text(layout.HiddenSize)}};

            /// <summary>The number of tokens in the head.</summary>
            {{GeneratedCode}}
            public const int ShortlistSize = {{Text(layout.ShortlistSize)}};

            /// <summary>The number of tail clusters.</summary>
            {{GeneratedCode}}
            public const int TailCount = {{Text(layout.TailCount)}};

            /// <summary>Stands for sizes and vocabulary; weights of another fingerprint do not fit.</summary>
            {{GeneratedCode}}
            public const string Fingerprint = "{{source.Fingerprint}}";

            /// <summary>The first slot of each tail cluster, ascending.</summary>
            {{GeneratedCode}}
            public static global::System.ReadOnlySpan<int> Cutoffs => new int[] { {{CutoffList(layout)}} };
            """);
        if (layout.TailCount == 0)
        {
            writer.WriteLine();
            writer.WriteLines($$"""
                /// <summary>What logits are multiplied by; 1 for nothing.</summary>
                {{GeneratedCode}}
                public const double LogitScale = {{Text(layout.LogitScale)}};

                /// <summary>The cap c of c · tanh(logit / c), which takes the place of each scaled logit; ∞ for none.</summary>
                {{GeneratedCode}}
                public const double LogitSoftCap = {{(double.IsInfinity(layout.LogitSoftCap) ? "double.PositiveInfinity" : Text(layout.LogitSoftCap))}};
                """);
        }

        writer.WriteLine();
        writer.CloseRegion();
    }

    private static void WriteFactories(SourceWriter writer, ClassSource source)
    {
        var layout = source.Layout;
        var name = source.Class.Name;
        var tails = Enumerable.Range(0, layout.TailCount).ToArray();
        writer.OpenRegion("Creating and loading");
        writer.WriteLines($$"""
            private static readonly global::AdaptiveSoftmax.SoftmaxIdentity s_identity = new global::AdaptiveSoftmax.SoftmaxIdentity(
            """);
        WriteLayout(writer, layout);
        writer.WriteLines($$"""
                Fingerprint,
                "{{source.VocabularyFingerprint}}");
            """);
        if (!source.Class.CannotBeMade) WriteConstructor(writer, name, tails);
        writer.WriteLine();
        writer.WriteLines($$"""
            /// <summary>Creates a layer and initialises its weights as PyTorch does.</summary>
            /// <param name="seed">The seed of the initialisation; null for the spec's, which is {{source.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture)}}.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
            {{GeneratedCode}}
            public static {{name}} Create(ulong? seed = null, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null)
            {
                {{name}} softmax = CreateZeros(options);
                ((global::AdaptiveSoftmax.AdaptiveSoftmaxLayer)softmax).Initialize(seed ?? {{source.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture)}}UL);
                return softmax;
            }

            /// <summary>Creates a layer with the weights of a file.</summary>
            /// <param name="path">The file: safetensors, or what <c>torch.save</c> wrote; or the index or the folder of a model in several files.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
            /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
            /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes; the message says which.</exception>
            /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
            /// <exception cref="global::System.IO.IOException">The weights cannot be read.</exception>
            {{GeneratedCode}}
            public static {{name}} Load(string path, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
                global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.Restored(CreateZeros(options), softmax => softmax.Restore(path, acceptUnmarked, prefix));

            /// <summary>Creates a layer with the weights of a file, without holding on to the caller's thread.</summary>
            /// <param name="path">The file: safetensors, or what <c>torch.save</c> wrote; or the index or the folder of a model in several files.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
            /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
            /// <param name="cancellationToken">Ends it between two tensors.</param>
            /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes; the message says which.</exception>
            /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
            /// <exception cref="global::System.IO.IOException">The weights cannot be read.</exception>
            {{GeneratedCode}}
            public static global::System.Threading.Tasks.Task<{{name}}> LoadAsync(string path, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "", global::System.Threading.CancellationToken cancellationToken = default) =>
                global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.RestoredAsync(CreateZeros(options), softmax => softmax.RestoreAsync(path, acceptUnmarked, prefix, cancellationToken));

            /// <summary>Creates a layer with the weights of a stream.</summary>
            /// <param name="stream">A stream, which is read from where it stands to its end and stays open.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
            /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
            /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes; the message says which.</exception>
            /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
            /// <exception cref="global::System.IO.IOException">The weights cannot be read.</exception>
            {{GeneratedCode}}
            public static {{name}} Load(global::System.IO.Stream stream, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
                global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.Restored(CreateZeros(options), softmax => softmax.Restore(stream, acceptUnmarked, prefix));

            /// <summary>Creates a layer with the weights of a stream, without holding on to the caller's thread.</summary>
            /// <param name="stream">A stream, which is read from where it stands to its end and stays open.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
            /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
            /// <param name="cancellationToken">Ends it between two tensors.</param>
            /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes; the message says which.</exception>
            /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
            /// <exception cref="global::System.IO.IOException">The weights cannot be read.</exception>
            {{GeneratedCode}}
            public static global::System.Threading.Tasks.Task<{{name}}> LoadAsync(global::System.IO.Stream stream, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "", global::System.Threading.CancellationToken cancellationToken = default) =>
                global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.RestoredAsync(CreateZeros(options), softmax => softmax.RestoreAsync(stream, acceptUnmarked, prefix, cancellationToken));
            """);
        writer.WriteLine();
        WriteMappedLoading(writer, name);
        writer.WriteLine();
        writer.WriteLines($$"""
            private static {{name}} CreateZeros(global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options) =>
                {{(source.Class.CannotBeMade ? "throw null!" : $"new {name}(new HeadLayer(), {string.Concat(tails.Select(i => $"new Tail{Text(i)}Layer(), "))}options)")}};
            """);
        if (layout.TailCount == 0) WriteLoadHead(writer);
        WriteQuantization(writer, source);
        writer.WriteLine();
        writer.CloseRegion();
    }

    private static void WriteLoadHead(SourceWriter writer)
    {
        writer.WriteLine();
        writer.WriteLines($$"""
            /// <summary>
            /// Decodes with the output layer of a checkpoint, in the precision that it is stored in and without a float32 copy: rows by
            /// token id become slots of this vocabulary. To train on, take <c>RestoreHead</c> of a layer.
            /// </summary>
            /// <param name="path">The model: a file, an index, or the folder of a Hugging Face checkpoint; only the output layer is read.</param>
            /// <param name="options">How it runs; null for the defaults.</param>
            /// <param name="tensorName">The whole name of the weight, [rows, hidden]; null to look for the usual ones behind any prefix.</param>
            /// <param name="precision">The precision to keep it in; null for the one that it is stored in.</param>
            /// <param name="cancellationToken">Ends it.</param>
            /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The head has too few rows, another hidden size, or a bias that the spec has not.</exception>
            /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
            /// <exception cref="global::System.IO.IOException">The weights cannot be read, or there is no output layer among them.</exception>
            {{GeneratedCode}}
            public static global::AdaptiveSoftmax.QuantizedSoftmax LoadHead(string path, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, string? tensorName = null, global::AdaptiveSoftmax.Vocabulary.WeightPrecision? precision = null, global::System.Threading.CancellationToken cancellationToken = default) =>
                global::AdaptiveSoftmax.QuantizedSoftmax.LoadHead(path, s_identity, global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.FindSlot, global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.GetId, options, tensorName, precision, cancellationToken);

            /// <inheritdoc cref="LoadHead(string, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions, string, global::AdaptiveSoftmax.Vocabulary.WeightPrecision?, global::System.Threading.CancellationToken)"/>
            /// <param name="stream">The model, in one file, from where the stream stands to its end. It stays open; one that cannot seek is read into a temporary file.</param>
            /// <param name="options">How it runs; null for the defaults.</param>
            /// <param name="tensorName">The whole name of the weight, [rows, hidden]; null to look for the usual ones behind any prefix.</param>
            /// <param name="precision">The precision to keep it in; null for the one that it is stored in.</param>
            /// <param name="cancellationToken">Ends it.</param>
            {{GeneratedCode}}
            public static global::AdaptiveSoftmax.QuantizedSoftmax LoadHead(global::System.IO.Stream stream, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, string? tensorName = null, global::AdaptiveSoftmax.Vocabulary.WeightPrecision? precision = null, global::System.Threading.CancellationToken cancellationToken = default) =>
                global::AdaptiveSoftmax.QuantizedSoftmax.LoadHead(stream, s_identity, global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.FindSlot, global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.GetId, options, tensorName, precision, cancellationToken);
            """);
    }

    private static void WriteLayout(SourceWriter writer, SoftmaxLayout layout)
    {
        var hasHeadBias = layout.HasHeadBias ? "true" : "false";
        if (layout.TailCount == 0)
        {
            writer.WriteLines($"    global::AdaptiveSoftmax.Vocabulary.SoftmaxLayout.CreateFull(HiddenSize, VocabularySize, hasHeadBias: {hasHeadBias}, LogitScale, LogitSoftCap),");
            return;
        }

        writer.WriteLines($$"""
                global::AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(
                    HiddenSize,
                    VocabularySize,
                    new int[] { {{CutoffList(layout)}} },
                    new int[] { {{string.Join(", ", layout.Tails.Select(tail => Text(tail.ProjectionWidth)))}} },
                    hasHeadBias: {{hasHeadBias}}),
            """);
    }

    private static void WriteConstructor(SourceWriter writer, string name, int[] tails)
    {
        writer.WriteLine();
        writer.WriteLines($$"""
            {{GeneratedCode}}
            private {{name}}(HeadLayer head, {{string.Concat(tails.Select(i => $"Tail{Text(i)}Layer tail{Text(i)}, "))}}global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options)
                : base(s_identity, head, new global::AdaptiveSoftmax.TailLayer[] { {{string.Join(", ", tails.Select(i => $"tail{Text(i)}"))}} }, options)
            {
                Head = head;
            """);
        foreach (var i in tails) writer.WriteLines($"    Tail{Text(i)} = tail{Text(i)};");
        writer.WriteLines("}");
    }

    // A spec that asks for float32 everywhere, as one without a precision does, leaves the choice to the runtime's default.
    private static void WriteQuantization(SourceWriter writer, ClassSource source)
    {
        if (source.HeadPrecision == WeightPrecision.Float32 && source.TailPrecisions.All(tail => tail == WeightPrecision.Float32)) return;
        writer.WriteLine();
        writer.WriteLines($$"""
            /// <summary>The precisions of the spec, which <c>Quantize</c> takes where the caller says nothing.</summary>
            {{GeneratedCode}}
            protected override global::AdaptiveSoftmax.QuantizationOptions DefaultQuantization => new global::AdaptiveSoftmax.QuantizationOptions
            {
                Head = {{Precision(source.HeadPrecision)}},
                TailOverrides = new global::AdaptiveSoftmax.Vocabulary.EquatableArray<global::AdaptiveSoftmax.Vocabulary.WeightPrecision>(new global::AdaptiveSoftmax.Vocabulary.WeightPrecision[] { {{string.Join(", ", source.TailPrecisions.Select(Precision))}} }),
            };
            """);

        static string Precision(WeightPrecision precision) => $"global::AdaptiveSoftmax.Vocabulary.WeightPrecision.{precision}";
    }

    private static void WriteLayers(SourceWriter writer, ClassSource source)
    {
        var layout = source.Layout;
        var value = source.Class.CannotBeMade ? " = null!;" : "";
        writer.OpenRegion("Layers");
        writer.WriteLines($$"""
            /// <summary>{{HeadSummary(layout)}}</summary>
            {{GeneratedCode}}
            public HeadLayer Head { get; }{{value}}
            """);
        foreach (var tail in layout.Tails)
        {
            writer.WriteLine();
            writer.WriteLines($$"""
                /// <summary>Tail cluster {{Text(tail.Index)}}: {{Plural(tail.Size, "token")}} from slot {{Grouped(tail.Start)}}.</summary>
                {{GeneratedCode}}
                public Tail{{Text(tail.Index)}}Layer Tail{{Text(tail.Index)}} { get; }{{value}}
                """);
        }

        writer.WriteLine();
        WriteShape(writer, "HeadShape", "The head's weight", layout.HeadRows, layout.HiddenSize);
        writer.WriteLine();
        writer.WriteLines($$"""
            /// <summary>A head of [{{Text(layout.HeadRows)}}, {{Text(layout.HiddenSize)}}].</summary>
            {{GeneratedCode}}
            public sealed class HeadLayer : global::AdaptiveSoftmax.HeadLayer<HeadShape>
            {
                internal HeadLayer()
                    : base(default, hasBias: {{(layout.HasHeadBias ? "true" : "false")}})
                {
                }
            }
            """);
        foreach (var tail in layout.Tails) WriteTail(writer, tail, layout.HiddenSize);
        writer.WriteLine();
        writer.CloseRegion();
    }

    private static void WriteTail(SourceWriter writer, TailCluster tail, int hiddenSize)
    {
        var name = $"Tail{Text(tail.Index)}";
        writer.WriteLine();
        WriteShape(writer, $"{name}ProjectionShape", $"The projection of tail cluster {Text(tail.Index)}", tail.ProjectionWidth, hiddenSize);
        writer.WriteLine();
        WriteShape(writer, $"{name}OutputShape", $"The output of tail cluster {Text(tail.Index)}", tail.Size, tail.ProjectionWidth);
        writer.WriteLine();
        writer.WriteLines($$"""
            /// <summary>A projection of [{{Text(tail.ProjectionWidth)}}, {{Text(hiddenSize)}}] and an output of [{{Text(tail.Size)}}, {{Text(tail.ProjectionWidth)}}].</summary>
            {{GeneratedCode}}
            public sealed class {{name}}Layer : global::AdaptiveSoftmax.TailLayer<{{name}}ProjectionShape, {{name}}OutputShape>
            {
                internal {{name}}Layer()
                    : base({{Text(tail.Index)}}, default, default)
                {
                }
            }
            """);
    }

    private static void WriteShape(SourceWriter writer, string name, string subject, int rows, int columns) => writer.WriteLines($$"""
        /// <summary>{{subject}}, [{{Text(rows)}}, {{Text(columns)}}].</summary>
        {{GeneratedCode}}
        public readonly struct {{name}} : global::AdaptiveSoftmax.IMatrixShape
        {
            /// <inheritdoc/>
            public int Rows => {{Text(rows)}};

            /// <inheritdoc/>
            public int Columns => {{Text(columns)}};
        }
        """);

    private static string HeadSummary(SoftmaxLayout layout) => layout.TailCount == 0
        ? $"The head: all {Plural(layout.ShortlistSize, "token")}, since this is a full softmax."
        : $"The head: {Plural(layout.ShortlistSize, "token")}, then one row for each tail cluster.";

    private static string Text(double value) => value.ToString("R", System.Globalization.CultureInfo.InvariantCulture) + "d";

    private static string CutoffList(SoftmaxLayout layout) => string.Join(", ", layout.Tails.Select(tail => Text(tail.Start)));
}
