using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

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
    private const string Damaged = "The file is damaged or cut short; copy or save it again.";

    private readonly FileStream _stream;
    private readonly ZipArchive _archive;
    private readonly long _length;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = [];
    private readonly Dictionary<string, WeightsTensor> _byName = [];
    private readonly List<WeightsTensor> _tensors = [];
    private Dictionary<string, string> _metadata = [];

    private PyTorchReader(string fileName, FileStream stream)
        : base(fileName)
    {
        _stream = stream;
        _length = stream.Length;
        _archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
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
        ArgumentException.ThrowIfNullOrEmpty(path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        PyTorchReader? reader = null;
        try
        {
            reader = new PyTorchReader(path, stream);
            reader.ReadDirectory();
            return reader;
        }
        catch (Exception exception)
        {
            reader?.Dispose();
            stream.Dispose();
            if (!IsZipFault(exception)) throw;
            throw new PyTorchFormatException(path, null, "It is not a sound zip file.", Damaged, exception);
        }
    }

    /// <inheritdoc/>
    public override bool TryGetTensor(string name, [NotNullWhen(true)] out WeightsTensor? tensor) => _byName.TryGetValue(name, out tensor);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _archive.Dispose();
        _stream.Dispose();
    }

    internal override void Read(WeightsTensor tensor, float* destination)
    {
        var own = (PyTorchTensor)tensor;
        if (FloatConversion.GetSize(own.Type) == 0) throw FloatConversion.UnknownType(this, own);
        if (own.Count == 0) return;
        lock (_archive)
        {
            if (own.IsContiguous) ReadContiguous(own, destination);
            else ReadStrided(own, destination);
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
                throw CreateFault(null, $"It has two records '{entry.FullName}'.", Damaged);
        }

        var pickles = _entries.Keys.Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal) && name.AsSpan().Count('/') == 1).ToList();
        if (pickles.Count != 1)
            throw CreateFault(null, "It is a zip file, but has no record 'NAME/data.pkl', or several.", "Save it with torch.save.");
        var root = pickles[0][..^"data.pkl".Length];
        if (_entries.ContainsKey(root + "constants.pkl"))
            throw CreateFault(null, "It is a TorchScript module.", "Save its weights: torch.save(module.state_dict(), 'weights.pt').");
        if (FindText(root + "byteorder") is { } order && order != "little")
            throw CreateFault(null, $"Its byte order is '{order}'.", "Save it again on a little-endian machine.");
        if (_entries.TryGetValue(root + MetadataRecord, out var strings)) _metadata = ReadMetadata(strings);
        var pickle = new Unpickler(ReadAll(_entries[pickles[0]], Unpickler.MaxLength), Fault).Read();
        foreach (var (name, view) in StateDictNames.Flatten(pickle, Fault)) Add(name, view, $"{root}data/{view.Storage.Key}");

        Exception Fault(string problem, string remedy) => CreateFault(null, problem, remedy);
    }

    private void Add(string name, PickleTensor view, string record)
    {
        if (!_entries.TryGetValue(record, out var entry))
            throw CreateFault(name, $"Its record '{record}' is missing.", Damaged);
        CheckStored(entry);
        var size = SafetensorsTypes.FindBits(view.Storage.Type) / 8;
        if (entry.Length % size != 0 || entry.Length / size != view.Storage.Count)
            throw CreateFault(name, $"Its storage has {view.Storage.Count} values of {size} bytes, and the record '{record}' has {entry.Length} bytes.", Damaged);
        var count = 1L;
        var last = view.Offset;
        try
        {
            for (var i = 0; i < view.Shape.Length; i++)
            {
                count = checked(count * view.Shape[i]);
                last = checked(last + (Math.Max(view.Shape[i] - 1, 0) * view.Strides[i]));
            }
        }
        catch (OverflowException)
        {
            throw CreateFault(name, "Its shape has more values than can be counted.", Damaged);
        }

        if (count > 0 && last >= view.Storage.Count)
            throw CreateFault(name, $"It reaches to value {last} of a storage of {view.Storage.Count}.", Damaged);
        var tensor = new PyTorchTensor(name, view, count, entry);
        if (!_byName.TryAdd(name, tensor))
            throw CreateFault(name, "There are two of this name.", "Rename one in Python and save it again.");
        _tensors.Add(tensor);
    }

    private Dictionary<string, string> ReadMetadata(ZipArchiveEntry entry)
    {
        try
        {
            return MetadataJson.ReadStrings(ReadAll(entry, Unpickler.MaxLength));
        }
        catch (Exception exception) when (MetadataJson.IsFault(exception))
        {
            throw CreateFault(null, $"Its record '{entry.FullName}' is not what Save writes: {exception.Message}", Damaged, exception);
        }
    }

    private string? FindText(string record) =>
        _entries.TryGetValue(record, out var entry) ? Encoding.UTF8.GetString(ReadAll(entry, MaxTextLength)) : null;

    private byte[] ReadAll(ZipArchiveEntry entry, int maxLength)
    {
        CheckStored(entry);
        if (entry.Length > maxLength)
            throw CreateFault(null, $"Its record '{entry.FullName}' has {entry.Length} bytes, more than the {maxLength} that are read.", "Save a plain state dict: torch.save(model.state_dict(), 'weights.pt').");
        var bytes = new byte[entry.Length];
        ReadParts(entry, (part, done) => part.CopyTo(bytes.AsSpan((int)done)));
        return bytes;
    }

    private void CheckStored(ZipArchiveEntry entry)
    {
        if (entry.CompressedLength != entry.Length)
            throw CreateFault(null, $"Its record '{entry.FullName}' is compressed, which torch.save never does.", "Save it again with torch.save.");
        if (entry.Length > _length)
            throw CreateFault(null, $"Its record '{entry.FullName}' has {entry.Length} bytes, more than the file.", Damaged);
    }

    private void ReadContiguous(PyTorchTensor tensor, float* destination)
    {
        // Parts of a stream are whole values, since their length is a multiple of every size.
        var size = FloatConversion.GetSize(tensor.Type);
        var start = tensor.Offset * size;
        var end = start + (tensor.Count * size);
        ReadParts(tensor.Entry, (part, done) =>
        {
            var from = Math.Max(start, done);
            var to = Math.Min(end, done + part.Length);
            if (from >= to) return;
            var values = new Span<float>(destination + ((from - start) / size), (int)((to - from) / size));
            FloatConversion.Convert(this, tensor, part[(int)(from - done)..(int)(to - done)], values);
        });
    }

    private void ReadStrided(PyTorchTensor tensor, float* destination)
    {
        var size = FloatConversion.GetSize(tensor.Type);
        var storage = (byte*)NativeMemory.Alloc((nuint)tensor.Entry.Length);
        try
        {
            ReadParts(tensor.Entry, (part, done) => part.CopyTo(new Span<byte>(storage + done, part.Length)));
            var index = new long[tensor.Shape.Count];
            var position = tensor.Offset;
            for (var i = 0L; i < tensor.Count; i++)
            {
                FloatConversion.Convert(this, tensor, new ReadOnlySpan<byte>(storage + (position * size), size), new Span<float>(destination + i, 1));
                for (var axis = index.Length - 1; axis >= 0; axis--)
                {
                    position += tensor.Strides[axis];
                    if (++index[axis] < tensor.Shape[axis]) break;
                    position -= tensor.Strides[axis] * tensor.Shape[axis];
                    index[axis] = 0;
                }
            }
        }
        finally
        {
            NativeMemory.Free(storage);
        }
    }

    // Gives an entry's bytes in order, and compares their checksum at the end. 0 is what PyTorch leaves if told to compute none.
    private void ReadParts(ZipArchiveEntry entry, TakePart take)
    {
        try
        {
            using var stream = entry.Open();
            var buffer = new byte[(int)Math.Min(ReadLength, entry.Length)];
            var crc = 0u;
            for (var done = 0L; done < entry.Length;)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.Length - done));
                stream.ReadExactly(part);
                crc = Crc32.Append(crc, part);
                take(part, done);
                done += part.Length;
            }

            if (entry.Crc32 != 0 && crc != entry.Crc32)
                throw CreateFault(null, $"Its record '{entry.FullName}' has the checksum {crc:x8}, and {entry.Crc32:x8} was saved.", Damaged);
        }
        catch (Exception exception) when (IsZipFault(exception))
        {
            throw CreateFault(null, $"Its record '{entry.FullName}' cannot be read.", Damaged, exception);
        }
    }

    private delegate void TakePart(ReadOnlySpan<byte> part, long done);
}
