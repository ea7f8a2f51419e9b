using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads the tensors of a state dict that <c>torch.save</c> wrote as a zip file. No code of the file is run. Nested dicts
/// and lists give names joined by dots.
/// </summary>
public sealed unsafe class PyTorchReader : WeightsFile
{
    /// <summary>The strings that we save beside the tensors, in the folder that PyTorch keeps for such records and passes over.</summary>
    internal const string MetadataRecord = "extra/adaptive_softmax.json";

    private const int ReadLength = 1 << 20;
    private const int MaxTextLength = 1 << 20;

    // Deflate makes a byte of at most so many.
    private const long MostInflated = 1032;
    private const string Damaged = "The file is damaged or cut short; copy or save it again.";

    private readonly WeightsBytes _bytes;
    private readonly ZipArchive _archive;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = [];
    private readonly Dictionary<string, WeightsTensor> _byName = [];
    private readonly List<WeightsTensor> _tensors = [];
    private Dictionary<string, string> _metadata = [];

    private PyTorchReader(WeightsBytes bytes)
        : base(bytes.Name)
    {
        _bytes = bytes;
        if (ZipDirectory.FindLength(bytes) is > ZipDirectory.MaxLength and var length)
            throw CreateFault(null, FormattableString.Invariant($"It is a zip file with a directory of {length} bytes, more than the {ZipDirectory.MaxLength} that are read."), "Save the tensors that are needed alone, or in several files with an index.");
        _archive = new ZipArchive(bytes.CreateStream(), ZipArchiveMode.Read);
    }

    /// <inheritdoc/>
    public override string Format => "PyTorch";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <inheritdoc/>
    public override IReadOnlyList<WeightsTensor> Tensors => _tensors;

    /// <summary>Opens a file and reads names, types and shapes.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="PyTorchFormatException">The file is damaged, or is not a plain state dict in PyTorch's zip format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static new PyTorchReader Open(string path)
    {
        var bytes = WeightsBytes.Open(path);
        try
        {
            return Open(bytes);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override bool TryGetTensor(string name, [NotNullWhen(true)] out WeightsTensor? tensor) => _byName.TryGetValue(name, out tensor);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _archive.Dispose();
        _bytes.Dispose();
    }

    /// <summary>Reads bytes that the reader then closes.</summary>
    internal static PyTorchReader Open(WeightsBytes bytes)
    {
        try
        {
            var reader = new PyTorchReader(bytes);
            reader.ReadDirectory();
            return reader;
        }
        catch (Exception exception) when (IsZipFault(exception))
        {
            throw new PyTorchFormatException(bytes.Name, null, "It is not a sound zip file.", Damaged, exception);
        }
    }

    internal override void Read(WeightsTensor tensor, float* destination)
    {
        var own = (PyTorchTensor)tensor;
        Walk(own, (bytes, place) => Convert(own, bytes, new Span<float>(destination + place, bytes.Length / FloatConversion.GetSize(own.Type))));
    }

    internal override (long NaN, long Infinite) CountNotFinite(WeightsTensor tensor)
    {
        var own = ((PyTorchTensor)tensor).WithoutRepeats(out var repeats);
        var (nan, infinite, size) = (0L, 0L, FloatConversion.GetSize(own.Type));
        var block = new float[FiniteBlock];
        Walk(own, (bytes, _) =>
        {
            for (; bytes.Length > 0; bytes = bytes[Math.Min(bytes.Length, block.Length * size)..])
            {
                var values = block.AsSpan(0, Math.Min(bytes.Length / size, block.Length));
                Convert(own, bytes[..(values.Length * size)], values);
                AddNotFinite(values, ref nan, ref infinite);
            }
        });
        return (nan * repeats, infinite * repeats);
    }

    // Values one after the other, as they are stored: views in another order and negated ones are read as numbers alone.
    internal override bool CanCopyBytes(WeightsTensor tensor) => FloatConversion.GetSize(tensor.Type) > 0 && ((PyTorchTensor)tensor).IsContiguous;

    internal override void CopyBytes(WeightsTensor tensor, WeightsContent.TakeChunk take, CancellationToken cancellationToken)
    {
        var own = (PyTorchTensor)tensor;
        var size = FloatConversion.GetSize(own.Type);
        var (start, end) = (own.Offset * size, (own.Offset + own.Count) * size);
        lock (_archive)
        {
            ReadChunks(own.Entry!, (chunk, done) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (from, to) = (Math.Max(start, done), Math.Min(end, done + chunk.Length));
                if (from < to) take(chunk[(int)(from - done)..(int)(to - done)]);
            });
        }
    }

    internal override WeightsFormatException CreateFault(string? tensorName, string problem, string remedy, Exception? innerException = null) =>
        new PyTorchFormatException(FileName, tensorName, problem, remedy, innerException);

    private static bool IsZipFault(Exception exception) => exception is not WeightsFormatException
        && exception is InvalidDataException or IOException or ArgumentException or OverflowException or NotSupportedException;

    private void ReadDirectory()
    {
        foreach (var entry in _archive.Entries)
        {
            if (!_entries.TryAdd(entry.FullName, entry))
                throw CreateFault(null, $"It has two records '{Excerpt.Name(entry.FullName)}'.", Damaged);
        }

        var pickles = _entries.Keys.Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal) && name.AsSpan().Count('/') == 1).ToList();
        if (pickles.Count != 1)
            throw CreateFault(null, "It is a zip file, but has no record 'NAME/data.pkl', or several.", "Save it with torch.save.");
        var root = pickles[0][..^"data.pkl".Length];
        if (_entries.ContainsKey(root + "constants.pkl"))
            throw CreateFault(null, "It is a TorchScript module.", "Save its weights: torch.save(module.state_dict(), 'weights.pt').");
        if (FindText(root + "byteorder") is { } order && order != "little")
            throw CreateFault(null, $"Its byte order is '{Excerpt.Name(order)}'.", "Save it again on a little-endian machine.");
        if (_entries.TryGetValue(root + MetadataRecord, out var strings)) _metadata = ReadMetadata(strings);
        var pickle = new Unpickler(ReadAll(_entries[pickles[0]], Unpickler.MaxLength), Fault).Read();
        foreach (var (name, view) in StateDictNames.Flatten(pickle, Fault)) Add(name, view, $"{root}data/");

        Exception Fault(string problem, string remedy) => CreateFault(null, problem, remedy);
    }

    private void Add(string name, PickleTensor view, string folder)
    {
        var count = 1L;
        var last = view.Offset;
        try
        {
            for (var i = 0; i < view.Shape.Length; i++)
            {
                count = checked(count * view.Shape[i]);
                if (i < view.Strides.Length) last = checked(last + (Math.Max(view.Shape[i] - 1, 0) * view.Strides[i]));
            }
        }
        catch (OverflowException)
        {
            throw CreateFault(name, "Its shape has more values than can be counted.", Damaged);
        }

        var tensor = new PyTorchTensor(name, view, count, FindEntry(name, view, folder, count > 0 ? last : -1));
        if (!_byName.TryAdd(name, tensor))
            throw CreateFault(name, "There are two of this name.", "Rename one in Python and save it again.");
        _tensors.Add(tensor);
    }

    // A tensor that nobody can read needs no record; PyTorch writes none for some of them.
    private ZipArchiveEntry? FindEntry(string name, PickleTensor view, string folder, long last)
    {
        if (view.Storage is not { } storage || SafetensorsTypes.FindBits(view.Type) / 8 is not (> 0 and var size)) return null;
        var record = folder + storage.Key;
        if (!_entries.TryGetValue(record, out var entry))
            throw CreateFault(name, $"Its record '{Excerpt.Name(record)}' is missing.", Damaged);
        CheckRecord(entry);
        if (entry.Length % size != 0 || entry.Length / size != storage.Count)
            throw CreateFault(name, FormattableString.Invariant($"Its storage has {storage.Count} values of {size} bytes, and the record '{Excerpt.Name(record)}' has {entry.Length} bytes."), Damaged);
        if (last >= storage.Count)
            throw CreateFault(name, FormattableString.Invariant($"It reaches to value {last} of a storage of {storage.Count}."), Damaged);
        return entry;
    }

    private Dictionary<string, string> ReadMetadata(ZipArchiveEntry entry)
    {
        try
        {
            return MetadataJson.ReadStrings(ReadAll(entry, Unpickler.MaxLength));
        }
        catch (Exception exception) when (MetadataJson.IsFault(exception))
        {
            throw CreateFault(null, $"Its record '{Excerpt.Name(entry.FullName)}' is not what Save writes: {exception.Message}", Damaged, exception);
        }
    }

    private string? FindText(string record) =>
        _entries.TryGetValue(record, out var entry) ? Encoding.UTF8.GetString(ReadAll(entry, MaxTextLength)) : null;

    private byte[] ReadAll(ZipArchiveEntry entry, int maxLength)
    {
        CheckRecord(entry);
        if (entry.Length > maxLength)
            throw CreateFault(null, FormattableString.Invariant($"Its record '{Excerpt.Name(entry.FullName)}' has {entry.Length} bytes, more than the {maxLength} that are read."), "Save a plain state dict: torch.save(model.state_dict(), 'weights.pt').");
        var bytes = new byte[entry.Length];
        ReadChunks(entry, (chunk, done) => chunk.CopyTo(bytes.AsSpan((int)done)));
        return bytes;
    }

    private void CheckRecord(ZipArchiveEntry entry)
    {
        if (entry.IsEncrypted) throw CreateFault(null, $"Its record '{Excerpt.Name(entry.FullName)}' is encrypted.", "Save it again with torch.save.");
        if (entry.CompressedLength > _bytes.Length || entry.Length / MostInflated > entry.CompressedLength)
            throw CreateFault(null, FormattableString.Invariant($"Its record '{Excerpt.Name(entry.FullName)}' should have {entry.Length} bytes, in {entry.CompressedLength} of a file of {_bytes.Length}."), Damaged);
    }

    // Gives a tensor's values in runs, in the order of their storage.
    private void Walk(PyTorchTensor tensor, TakeRun take)
    {
        if (FloatConversion.GetSize(tensor.Type) == 0) throw FloatConversion.UnknownType(this, tensor);
        if (tensor.Count == 0) return;
        lock (_archive)
        {
            var order = new StorageOrder(tensor);
            if (order.IsAscending) WalkInOrder(tensor, order, take);
            else WalkOverlapping(tensor, order, take);
        }
    }

    private void WalkInOrder(PyTorchTensor tensor, StorageOrder order, TakeRun take)
    {
        // Chunks of a record are whole values, since their length is a multiple of every size.
        var size = FloatConversion.GetSize(tensor.Type);
        var isLeft = true;
        ReadChunks(tensor.Entry!, (chunk, done) =>
        {
            var (first, end) = (done / size, (done + chunk.Length) / size);
            while (isLeft && order.Position < end)
            {
                var count = Math.Min(order.Run, end - order.Position);
                take(chunk.Slice((int)((order.Position - first) * size), (int)count * size), order.Place);
                isLeft = order.Advance(count);
            }
        });
    }

    private void WalkOverlapping(PyTorchTensor tensor, StorageOrder order, TakeRun take)
    {
        var size = FloatConversion.GetSize(tensor.Type);
        var (start, length) = (tensor.Offset * size, tensor.Span * size);
        var window = (byte*)NativeMemory.Alloc((nuint)length);
        try
        {
            ReadChunks(tensor.Entry!, (chunk, done) =>
            {
                var (from, to) = (Math.Max(start, done), Math.Min(start + length, done + chunk.Length));
                if (from < to) chunk[(int)(from - done)..(int)(to - done)].CopyTo(new Span<byte>(window + (from - start), (int)(to - from)));
            });
            var run = 0L;
            do
            {
                run = Math.Min(order.Run, ReadLength / size);
                take(new ReadOnlySpan<byte>(window + ((order.Position * size) - start), (int)run * size), order.Place);
            }
            while (order.Advance(run));
        }
        finally
        {
            NativeMemory.Free(window);
        }
    }

    private void Convert(PyTorchTensor tensor, ReadOnlySpan<byte> bytes, Span<float> values)
    {
        FloatConversion.Convert(this, tensor, bytes, values);
        if (!tensor.IsNegated) return;
        foreach (ref var value in values) value = -value;
    }

    // Gives an entry's bytes in order, and compares their checksum at the end. 0 is what PyTorch leaves if told to compute none.
    private void ReadChunks(ZipArchiveEntry entry, TakeChunk take)
    {
        try
        {
            using var stream = OpenRecord(entry);
            var buffer = new byte[(int)Math.Min(ReadLength, entry.Length)];
            var crc = 0u;
            for (var done = 0L; done < entry.Length;)
            {
                var chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.Length - done));
                stream.ReadExactly(chunk);
                crc = Crc32.Append(crc, chunk);
                take(chunk, done);
                done += chunk.Length;
            }

            if (entry.Crc32 != 0 && crc != entry.Crc32)
                throw CreateFault(null, $"Its record '{Excerpt.Name(entry.FullName)}' has the checksum {crc:x8}, and {entry.Crc32:x8} was saved.", Damaged);
        }
        catch (Exception exception) when (IsZipFault(exception))
        {
            throw CreateFault(null, $"Its record '{Excerpt.Name(entry.FullName)}' cannot be read.", Damaged, exception);
        }
    }

    private Stream OpenRecord(ZipArchiveEntry entry)
    {
        try
        {
            return entry.Open();
        }
        catch (InvalidDataException exception) when (exception.Message.Contains("compress", StringComparison.Ordinal))
        {
            // The archive knows the method and tells it in its message alone.
            throw CreateFault(null, $"Its record '{Excerpt.Name(entry.FullName)}' is compressed in a way that is not read: {Excerpt.Message(exception.Message)}", "Save it with torch.save, or pack it anew stored or deflated.", exception);
        }
    }

    private delegate void TakeChunk(ReadOnlySpan<byte> chunk, long done);

    // Values that stand side by side in storage and tensor alike, and the place of the first in the tensor.
    private delegate void TakeRun(ReadOnlySpan<byte> bytes, long place);
}
