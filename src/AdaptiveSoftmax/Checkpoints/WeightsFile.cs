using System.Diagnostics.CodeAnalysis;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A file of named tensors, open for reading. Opening reads names, types and shapes; values are read tensor by tensor.
/// </summary>
public abstract class WeightsFile : IDisposable
{
    /// <summary>How many values are looked through at a time.</summary>
    private protected const int FiniteBlock = 1 << 18;

    // The number 0x1950a86a20f9469cfc6c as a pickle of protocol 2 has it.
    private static ReadOnlySpan<byte> LegacyMark => [0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19];

    private protected WeightsFile(string fileName)
    {
        ByteOrder.Check();
        FileName = fileName;
    }

    /// <summary>The file.</summary>
    public string FileName { get; }

    /// <summary>The name of the file's format.</summary>
    public abstract string Format { get; }

    /// <summary>The strings that were saved beside the tensors.</summary>
    public abstract IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors in the order of the file.</summary>
    public abstract IReadOnlyList<WeightsTensor> Tensors { get; }

    /// <summary>
    /// Opens a file of either format, safetensors or PyTorch's, whatever its name: its first bytes tell. The index of a
    /// model in several files (<c>model.safetensors.index.json</c>), or a folder that holds one, opens all of them as one.
    /// Pipes and devices, which may never end, are refused: open what they give as a stream.
    /// </summary>
    /// <param name="path">The file, the index or the folder.</param>
    /// <exception cref="WeightsFormatException">The file is damaged or of another format; a file of the index is missing.</exception>
    /// <exception cref="IOException">The file cannot be read; the folder has no weights, or several.</exception>
    public static WeightsFile Open(string path) => Open(path, MemoryMapping.Off);

    /// <summary>Opens a file whose tensors may be used where they stand: <see cref="Map"/>.</summary>
    internal static WeightsFile Open(string path, MemoryMapping mapping)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Enum.IsDefined(mapping)) throw new ArgumentOutOfRangeException(nameof(mapping), mapping, "There is no such mapping.");
        if (Directory.Exists(path)) path = WeightsFolder.FindFile(path);
        return Open(WeightsBytes.Open(path, mapping), path, mapping: mapping);
    }

    /// <summary>
    /// Opens what a stream holds from where it stands to its end, of either format. A stream that cannot seek is read at
    /// once, into a temporary file.
    /// </summary>
    /// <param name="stream">The stream. It is not closed, and must stay open and unused as long as this is.</param>
    /// <exception cref="WeightsFormatException">It is damaged or of another format.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static WeightsFile Open(Stream stream) => Open(WeightsBytes.Open(stream), path: null);

    /// <summary>
    /// Opens what a stream holds from where it stands to its end, without holding on to the caller's thread. A stream that
    /// cannot seek is read by its asynchronous methods alone.
    /// </summary>
    /// <param name="stream">The stream. It is not closed, and must stay open and unused as long as the file is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="WeightsFormatException">It is damaged or of another format.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async Task<WeightsFile> OpenAsync(Stream stream, CancellationToken cancellationToken = default)
    {
        var bytes = await WeightsBytes.OpenAsync(stream, cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => Open(bytes, path: null), CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Finds a tensor by name.</summary>
    /// <param name="name">The name, compared byte for byte.</param>
    /// <param name="tensor">The tensor, if there is one.</param>
    public abstract bool TryGetTensor(string name, [NotNullWhen(true)] out WeightsTensor? tensor);

    /// <summary>
    /// Reads all values of a tensor of type F32, F64, F16 or BF16 as float32, in row-major order. F64 is rounded to
    /// nearest.
    /// </summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">Where the values go, [<see cref="WeightsTensor.Count"/>].</param>
    /// <exception cref="ArgumentException">The destination has another length, or the tensor is another file's.</exception>
    /// <exception cref="WeightsFormatException">
    /// The tensor has another type, holds a finite value that float32 cannot, or the file is damaged.
    /// </exception>
    public unsafe void Read(WeightsTensor tensor, Span<float> destination)
    {
        CheckOwn(tensor);
        if (destination.Length != tensor.Count)
            throw new ArgumentException($"'{Excerpt.Name(tensor.Name)}' has {tensor.Count} values, but there is room for {destination.Length}.", nameof(destination));
        fixed (float* pointer = destination) Read(tensor, pointer);
    }

    /// <summary>
    /// Reads all values of a tensor of type F32, F64, F16 or BF16 into a parameter of its shape, however large.
    /// </summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">The parameter, [rows, columns], or [rows] of a vector.</param>
    /// <exception cref="ArgumentException">The parameter has another shape, or the tensor is another file's.</exception>
    /// <exception cref="WeightsFormatException">
    /// The tensor has another type, holds a finite value that float32 cannot, or the file is damaged.
    /// </exception>
    public unsafe void Read(WeightsTensor tensor, Parameter destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        CheckOwn(tensor);
        using var use = destination.Use();
        var shape = WeightsContent.GetShape(destination);
        if (!tensor.Shape.SequenceEqual(shape))
            throw new ArgumentException($"'{Excerpt.Name(tensor.Name)}' is {WeightsText.Shape(tensor.Shape)}, and '{destination.Name}' is {WeightsText.Shape(shape)}.", nameof(destination));
        destination.MarkChanged();
        Read(tensor, destination.ValuesPointer);
    }

    /// <summary>How many values of a tensor are NaN and infinite, in the memory of a block.</summary>
    internal virtual unsafe (long NaN, long Infinite) CountNotFinite(WeightsTensor tensor)
    {
        var (nan, infinite) = (0L, 0L);
        var block = new float[(int)Math.Min(tensor.Count, FiniteBlock)];
        fixed (float* values = block)
        {
            for (var first = 0L; first < tensor.Count; first += block.Length)
            {
                var count = (int)Math.Min(tensor.Count - first, block.Length);
                Read(tensor, first, count, values);
                AddNotFinite(block.AsSpan(0, count), ref nan, ref infinite);
            }
        }

        return (nan, infinite);
    }

    /// <summary>Counts NaN and infinities on.</summary>
    private protected static void AddNotFinite(ReadOnlySpan<float> values, ref long nan, ref long infinite)
    {
        for (var next = FiniteValues.IndexOfOther(values); next >= 0; next = FiniteValues.IndexOfOther(values))
        {
            if (float.IsNaN(values[next])) nan++;
            else infinite++;
            values = values[(next + 1)..];
        }
    }

    /// <summary>Closes the file.</summary>
    public abstract void Dispose();

    /// <summary>Reads all values of a tensor to memory that has room for <see cref="WeightsTensor.Count"/> floats.</summary>
    internal abstract unsafe void Read(WeightsTensor tensor, float* destination);

    /// <summary>Reads some of a tensor's values, [first, first + count); a format without a way to less than all reads all.</summary>
    internal virtual unsafe void Read(WeightsTensor tensor, long first, long count, float* destination)
    {
        if (count == tensor.Count)
        {
            Read(tensor, destination);
            return;
        }

        using var all = new NativeFloats(tensor.Count);
        Read(tensor, all.Pointer);
        Buffer.MemoryCopy(all.Pointer + first, destination, count * sizeof(float), count * sizeof(float));
    }

    /// <summary>The bytes of a tensor where they stand in a file that was opened to be mapped. Kept until it is disposed, whether the file is or not.</summary>
    /// <exception cref="WeightsFormatException">The format has no such bytes.</exception>
    internal virtual NativeFloats Map(WeightsTensor tensor) =>
        throw CreateFault(tensor.Name, $"A file of {Format} is not mapped.", "Turn it into safetensors with adaptive-softmax convert, or load it without mapping.");

    /// <summary>Whether the bytes of a tensor can be copied as they are, whatever its type.</summary>
    internal virtual bool CanCopyBytes(WeightsTensor tensor) => false;

    /// <summary>Gives the bytes of a tensor in order, in chunks.</summary>
    internal virtual void CopyBytes(WeightsTensor tensor, WeightsContent.TakeChunk take, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <summary>An exception of the format's own type.</summary>
    internal abstract WeightsFormatException CreateFault(string? tensorName, string problem, string remedy, Exception? innerException = null);

    /// <summary>Opens bytes, which belong to the file from then on.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="path">Where they are, if an index among them is to be followed.</param>
    /// <param name="isShard">Whether they are one of several files, which is no index.</param>
    /// <param name="mapping">Whether files that an index names are mapped.</param>
    internal static WeightsFile Open(WeightsBytes bytes, string? path, bool isShard = false, MemoryMapping mapping = MemoryMapping.Off)
    {
        try
        {
            Span<byte> start = stackalloc byte[14];
            start = start[..bytes.ReadAtLeast(start, 0)];

            // A safetensors header may have a length that reads like a zip file's mark; then a brace follows it.
            if ((start.StartsWith("PK\u0003\u0004"u8) || start.StartsWith("PK\u0005\u0006"u8)) && start is not [_, _, _, _, _, _, _, _, (byte)'{', ..]) return PyTorchReader.Open(bytes);
            if (start.Length > 2 && start[0] == 0x80 && start[2..].SequenceEqual(LegacyMark))
                throw new PyTorchFormatException(bytes.Name, null, "It is in PyTorch's old format without zip, which is not read.", "Save it again in Python: torch.save(torch.load('old.pt'), 'weights.pt').");
            if (!WeightsIndex.IsJson(start)) return SafetensorsReader.Open(bytes);
            using (bytes)
            {
                var index = WeightsIndex.Read(bytes);
                if (path is null || isShard)
                    throw new WeightsFormatException(bytes.Name, null, "It is the index of a model in several files, which are beside it.", "Open the index by its path.");
                return ShardedWeights.Open(path, index, mapping);
            }
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    private void CheckOwn(WeightsTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!TryGetTensor(tensor.Name, out var own) || own != tensor)
            throw new ArgumentException($"'{Excerpt.Name(tensor.Name)}' is a tensor of another file than {FileName}.", nameof(tensor));
    }
}
