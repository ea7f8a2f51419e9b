using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

// Writing the file with the layer on a device.
public sealed partial class AdaptiveSoftmaxGenerator
{
    private static SourceText WriteGpu(ClassSource source)
    {
        var writer = new SourceWriter();
        OpenClass(writer, source.Class, source.SpecPath, "");
        WriteGpuFactories(writer, source);
        writer.WriteLine();
        WriteGpuLayer(writer, source);
        CloseClass(writer, source.Class);
        return writer.ToText();
    }

    // In a file of its own: the text of the kernels is long, and nobody reads it by the way.
    private static SourceText WriteTensorCores(ClassSource source)
    {
        var writer = new SourceWriter();
        OpenClass(writer, source.Class, source.SpecPath, "");
        writer.WriteLines($$"""
            /// <summary>
            /// Training's products on tensor cores, of the output of the head and of each tail: bfloat16 factors, float32 sums.
            /// They need a CUDA device of compute capability 8.0 or later, and run if <c>GpuOptions.TensorCores</c> asks for it.
            /// </summary>
            {{GeneratedCode}}
            """);
        writer.OpenBlock("internal static class TensorCores");
        WriteTensorCores(writer, "Head", source.Layout.HiddenSize);
        foreach (var tail in source.Layout.Tails)
        {
            writer.WriteLine();
            WriteTensorCores(writer, $"Tail{Text(tail.Index)}", tail.ProjectionWidth);
        }

        writer.CloseBlock();
        CloseClass(writer, source.Class);
        return writer.ToText();
    }

    private static void WriteTensorCores(SourceWriter writer, string part, int inputSize)
    {
        const string methods = "global::AdaptiveSoftmax.Gpu.TensorCoreMethod";
        TensorCoreKernel[] kernels =
        [
            new($"{part}Logits", TensorCoreRole.Logits, inputSize),
            new($"{part}Gradient", TensorCoreRole.Gradient, inputSize),
            WithColumns(new($"{part}InputGradient", TensorCoreRole.InputGradient, inputSize)),
            WithColumns(new($"{part}WeightGradient", TensorCoreRole.WeightGradient, inputSize)),
        ];
        writer.WriteLines($"internal static global::AdaptiveSoftmax.Gpu.TensorCoreMethods {part} {{ get; }} = new global::AdaptiveSoftmax.Gpu.TensorCoreMethods(");
        for (var i = 0; i < kernels.Length; i++)
            writer.WriteLines($"    new {methods}({kernels[i].Name}, {Text(kernels[i].Threads)}, {Text(kernels[i].SharedBytes)}){(i + 1 < kernels.Length ? "," : ");")}");
        foreach (var kernel in kernels)
        {
            writer.WriteLine();
            TensorCoreKernelWriter.Write(writer, kernel);
        }

        // A tile is no wider than the result: half of the products of a narrow tail would be with zeros.
        TensorCoreKernel WithColumns(TensorCoreKernel kernel) =>
            inputSize <= 64 ? kernel with { TileColumns = 64, WarpRows = 4, WarpColumns = 2 } : kernel;
    }

    private static void WriteGpuFactories(SourceWriter writer, ClassSource source)
    {
        var seed = source.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture);
        writer.OpenRegion("Creating and loading on a device");
        writer.WriteLines($$"""
            /// <summary>Creates a layer on a device and initialises its weights as PyTorch does, to the same bits as on the CPU.</summary>
            /// <param name="accelerator">The device, which stays the caller's.</param>
            /// <param name="seed">The seed of the initialisation; null for the spec's, which is {{seed}}.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <exception cref="global::AdaptiveSoftmax.Gpu.GpuMemoryException">The device has too little memory.</exception>
            {{GeneratedCode}}
            public static OnGpu Create(global::ILGPU.Runtime.Accelerator accelerator, ulong? seed = null, global::AdaptiveSoftmax.Gpu.GpuOptions? options = null)
            {
                var softmax = new OnGpu(accelerator, options);
                softmax.Initialize(seed ?? {{seed}}UL);
                return softmax;
            }

            /// <summary>Creates a layer on a device with the weights of a file that <c>Save</c> wrote, on the CPU or on a device.</summary>
            /// <param name="path">A safetensors file with this class's fingerprint.</param>
            /// <param name="accelerator">The device, which stays the caller's.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes; the message says which.</exception>
            /// <exception cref="global::AdaptiveSoftmax.Gpu.GpuMemoryException">The device has too little memory.</exception>
            /// <exception cref="global::System.IO.IOException">The file cannot be read.</exception>
            {{GeneratedCode}}
            public static OnGpu Load(string path, global::ILGPU.Runtime.Accelerator accelerator, global::AdaptiveSoftmax.Gpu.GpuOptions? options = null)
            {
                var softmax = new OnGpu(accelerator, options);
                try
                {
                    softmax.Restore(path);
                    return softmax;
                }
                catch
                {
                    softmax.Dispose();
                    throw;
                }
            }

            /// <summary>Creates a layer on a device with the same weights, bit by bit.</summary>
            /// <param name="accelerator">The device, which stays the caller's.</param>
            /// <param name="options">How the layer runs; null for the defaults.</param>
            /// <exception cref="global::AdaptiveSoftmax.Gpu.GpuMemoryException">The device has too little memory.</exception>
            {{GeneratedCode}}
            public OnGpu ToGpu(global::ILGPU.Runtime.Accelerator accelerator, global::AdaptiveSoftmax.Gpu.GpuOptions? options = null)
            {
                var softmax = new OnGpu(accelerator, options);
                softmax.CopyFrom(this);
                return softmax;
            }
            """);
        writer.WriteLine();
        writer.CloseRegion();
    }

    private static void WriteGpuLayer(SourceWriter writer, ClassSource source)
    {
        var layout = source.Layout;
        var tails = Enumerable.Range(0, layout.ClusterCount).Select(Text).ToArray();
        writer.OpenRegion("The layer on a device");
        writer.WriteLines($$"""
            /// <summary>The layer with its weights on a device; kernels are compiled for exactly these sizes.</summary>
            {{GeneratedCode}}
            public sealed class OnGpu : global::AdaptiveSoftmax.Gpu.GpuAdaptiveSoftmax
            {
                internal OnGpu(global::ILGPU.Runtime.Accelerator accelerator, global::AdaptiveSoftmax.Gpu.GpuOptions? options)
                    : this(
                        accelerator,
                        new global::AdaptiveSoftmax.Gpu.GpuHead<HeadShape>(accelerator, default, ClusterCount, hasBias: {{(layout.HasHeadBias ? "true" : "false")}}, TensorCores.Head),
            """);
        foreach (var i in tails)
            writer.WriteLines($"            new {TailType(i)}(accelerator, {i}, default, default, TensorCores.Tail{i}),");
        writer.WriteLines("            options)");
        writer.WriteLines($$"""
                {
                }

                private OnGpu(
                    global::ILGPU.Runtime.Accelerator accelerator,
                    global::AdaptiveSoftmax.Gpu.GpuHead<HeadShape> head,
            """);
        foreach (var i in tails) writer.WriteLines($"        {TailType(i)} tail{i},");
        writer.WriteLines($$"""
                    global::AdaptiveSoftmax.Gpu.GpuOptions? options)
                    : base(accelerator, s_identity, head, new global::AdaptiveSoftmax.Gpu.GpuTail[] { {{string.Join(", ", tails.Select(i => $"tail{i}"))}} }, options)
                {
                    Head = head;
            """);
        foreach (var i in tails) writer.WriteLines($"        Tail{i} = tail{i};");
        writer.WriteLines($$"""
                }

                /// <summary>The head: {{Plural(layout.ShortlistSize, "token")}}, then one row for each tail cluster.</summary>
                public global::AdaptiveSoftmax.Gpu.GpuHead<HeadShape> Head { get; }
            """);
        foreach (var tail in layout.Tails)
        {
            writer.WriteLine();
            writer.WriteLines($$"""
                    /// <summary>Tail cluster {{Text(tail.Index)}}: {{Plural(tail.Size, "token")}} from slot {{Grouped(tail.Start)}}.</summary>
                    public {{TailType(Text(tail.Index))}} Tail{{Text(tail.Index)}} { get; }
                """);
        }

        writer.WriteLine();
        writer.WriteLines($$"""
                /// <summary>Creates a layer on the CPU with the same weights, bit by bit.</summary>
                /// <param name="options">How the layer runs; null for the defaults.</param>
                public {{source.Class.Name}} ToCpu(global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null)
                {
                    var softmax = CreateZeros(options);
                    CopyTo(softmax);
                    return softmax;
                }

                /// <inheritdoc/>
                protected override int FindSlot(int tokenId) => global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.FindSlot(tokenId);

                /// <inheritdoc/>
                protected override int GetTokenId(int slot) => global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.GetId(slot);
            }
            """);
        writer.WriteLine();
        writer.CloseRegion();
    }

    private static string TailType(string i) => $"global::AdaptiveSoftmax.Gpu.GpuTail<Tail{i}ProjectionShape, Tail{i}OutputShape>";
}
