namespace AdaptiveSoftmax.Generators;

// Weights that stay in their file, and small ones.
internal static partial class ClassWriter
{
    private static void WriteMappedLoading(SourceWriter writer, string name) => writer.WriteLines($$"""
        /// <summary>Creates a layer with the weights of a file, whose pages they may be.</summary>
        /// <param name="path">The file: to be mapped, safetensors of float32, in one file or several.</param>
        /// <param name="mapping">Whether the file is mapped.</param>
        /// <param name="options">How the layer runs; null for the defaults.</param>
        /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
        /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
        /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes; the message says which.</exception>
        /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
        /// <exception cref="global::System.IO.IOException">The weights cannot be read, or not be mapped.</exception>
        {{GeneratedCode}}
        public static {{name}} Load(string path, global::AdaptiveSoftmax.MemoryMapping mapping, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
            global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.Loaded(CreateZeros(options), path, mapping, acceptUnmarked, prefix);

        /// <summary>Loads small weights that <c>Quantize().Save</c> wrote.</summary>
        /// <param name="path">The file.</param>
        /// <param name="mapping">Whether the file's pages become the weights.</param>
        /// <param name="options">How the softmax runs; null for the defaults.</param>
        /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
        /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
        /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes, or are not quantised; the message says which.</exception>
        /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
        /// <exception cref="global::System.IO.IOException">The weights cannot be read, or not be mapped.</exception>
        {{GeneratedCode}}
        public static global::AdaptiveSoftmax.QuantizedSoftmax LoadQuantized(string path, global::AdaptiveSoftmax.MemoryMapping mapping = global::AdaptiveSoftmax.MemoryMapping.Off, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
            global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.LoadQuantized(CreateZeros(options), path, mapping, acceptUnmarked, prefix);

        /// <summary>Loads small weights of a stream.</summary>
        /// <param name="stream">A stream, which is read from where it stands to its end and stays open.</param>
        /// <param name="options">How the softmax runs; null for the defaults.</param>
        /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
        /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
        /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes, or are not quantised; the message says which.</exception>
        /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
        /// <exception cref="global::System.IO.IOException">The weights cannot be read.</exception>
        {{GeneratedCode}}
        public static global::AdaptiveSoftmax.QuantizedSoftmax LoadQuantized(global::System.IO.Stream stream, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
            global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.LoadQuantized(CreateZeros(options), stream, acceptUnmarked, prefix);

        /// <summary>Loads small weights of a stream, without holding on to the caller's thread.</summary>
        /// <param name="stream">A stream, which is read from where it stands to its end and stays open.</param>
        /// <param name="options">How the softmax runs; null for the defaults.</param>
        /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word that their classes are this vocabulary's slots.</param>
        /// <param name="prefix">What stands before each name, for example <c>decoder.softmax.</c>.</param>
        /// <param name="cancellationToken">Ends it between two tensors.</param>
        /// <exception cref="global::AdaptiveSoftmax.CheckpointMismatchException">The weights belong to another vocabulary or other sizes, or are not quantised; the message says which.</exception>
        /// <exception cref="global::System.ArgumentException">An option is out of range.</exception>
        /// <exception cref="global::System.IO.IOException">The weights cannot be read.</exception>
        {{GeneratedCode}}
        public static global::System.Threading.Tasks.Task<global::AdaptiveSoftmax.QuantizedSoftmax> LoadQuantizedAsync(global::System.IO.Stream stream, global::AdaptiveSoftmax.AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "", global::System.Threading.CancellationToken cancellationToken = default) =>
            global::AdaptiveSoftmax.AdaptiveSoftmaxLayer.LoadQuantizedAsync(CreateZeros(options), stream, acceptUnmarked, prefix, cancellationToken);
        """);
}
