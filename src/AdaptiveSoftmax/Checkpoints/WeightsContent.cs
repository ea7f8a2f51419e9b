using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What goes into a file of weights, whatever its format: named tensors and strings.</summary>
/// <remarks>It keeps the memory of parameters and optimizers until it is disposed.</remarks>
internal sealed unsafe class WeightsContent : IDisposable
{
    private readonly List<MemoryLease> _uses = [];
    private readonly List<Entry> _entries = [];
    private readonly List<Part> _parts = [];
    private readonly HashSet<string> _names = [];
    private readonly SortedDictionary<string, string> _metadata = new(StringComparer.Ordinal);

    /// <summary>The tensors in the order they were added.</summary>
    public IReadOnlyList<Entry> Entries => _entries;

    /// <summary>What is here of tensors that others have the rest of.</summary>
    public IReadOnlyList<Part> Parts => _parts;

    /// <summary>The strings by ascending key.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Parameters under their own names, and strings beside them.</summary>
    public static WeightsContent From(IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, string>? metadata)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return Fill(content =>
        {
            foreach (var parameter in parameters) content.Add(parameter);
            foreach (var (key, value) in metadata ?? new Dictionary<string, string>()) content.AddMetadata(key, value);
        });
    }

    /// <summary>A content that an action fills.</summary>
    public static WeightsContent Fill(Action<WeightsContent> fill)
    {
        var content = new WeightsContent();
        try
        {
            fill(content);
            return content;
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    /// <summary>The shape of a parameter's tensor: [rows, columns], or [rows] for a vector.</summary>
    public static IReadOnlyList<long> GetShape(Parameter parameter)
    {
        long rows = parameter.Part?.Rows ?? parameter.Rows;
        return parameter.IsVector ? [rows] : [rows, parameter.Columns];
    }

    /// <summary>Adds a parameter's values under its name, with a prefix before it.</summary>
    public void Add(Parameter parameter, string prefix = "")
    {
        Keep(parameter.Use());
        Add(prefix + parameter.TensorName, parameter, parameter.ValuesPointer);
    }

    /// <summary>Adds values of a parameter's shape under a name; of a part of a tensor as that part.</summary>
    public void Add(string name, Parameter parameter, float* values)
    {
        var shape = GetShape(parameter);
        if (parameter.Part is null)
        {
            Add(name, shape, values, parameter.Count);
            return;
        }

        if (!_names.Contains(name)) Add(name, shape, null, (long)parameter.Part.Rows * parameter.Columns);
        _parts.Add(new Part(name, parameter.FirstValue, (nint)values, parameter.Count));
    }

    /// <summary>Keeps memory until the content is disposed.</summary>
    public void Keep(MemoryLease use) => _uses.Add(use);

    /// <summary>Gives up the memory.</summary>
    public void Dispose()
    {
        foreach (var use in _uses) use.Dispose();
        _uses.Clear();
    }

    /// <summary>Adds a tensor of float32 whose memory must stay as it is until it is written.</summary>
    public void Add(string name, IReadOnlyList<long> shape, float* values, long count) => Add(name, SafetensorsTypes.Float32, shape, values, count);

    /// <summary>Adds a tensor of a type of safetensors whose memory must stay as it is until it is written.</summary>
    public void Add(string name, string type, IReadOnlyList<long> shape, void* values, long count)
    {
        CheckText(name);
        if (name.Length > WeightsLimits.NameLength)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The name '{Excerpt.Name(name)}' has {name.Length} characters, more than the {WeightsLimits.NameLength} that are read; give the parameter a shorter name or prefix."), nameof(name));
        if (name == "__metadata__" || !_names.Add(name))
            throw new ArgumentException($"A file cannot hold two tensors named '{name}'; give every parameter a name of its own.", nameof(name));
        _entries.Add(new Entry(name, type, shape, values, count));
    }

    /// <summary>Adds a tensor of any type as it stands in another file, which must stay open until it is written.</summary>
    public void AddCopy(WeightsFile file, WeightsTensor tensor)
    {
        CheckText(tensor.Name);
        if (!_names.Add(tensor.Name)) throw new ArgumentException($"A file cannot hold two tensors named '{tensor.Name}'.", nameof(tensor));
        _entries.Add(new Entry(file, tensor));
    }

    /// <summary>Adds a string.</summary>
    public void AddMetadata(string key, string value)
    {
        CheckText(key);
        CheckText(value);
        _metadata.Add(key, value);
    }

    /// <summary>Writes a file in a format, atomically.</summary>
    public void Write(string path, WeightsFormat format, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckFormat(format);
        AtomicFile.Write(path, stream => WriteTo(stream, format, cancellationToken), cancellationToken);
    }

    /// <summary>Writes to a stream in a format, from where it stands. The stream stays open.</summary>
    public void Write(Stream stream, WeightsFormat format)
    {
        CheckWritable(stream);
        CheckFormat(format);
        WriteTo(stream, format, CancellationToken.None);
        stream.Flush();
    }

    /// <summary>Writes a file in a format, atomically, on another thread.</summary>
    public Task WriteAsync(string path, WeightsFormat format, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckFormat(format);
        return Task.Run(() => Write(path, format, cancellationToken), cancellationToken);
    }

    /// <summary>Writes to a stream by its asynchronous methods alone, from where it stands. The stream stays open.</summary>
    public Task WriteAsync(Stream stream, WeightsFormat format, CancellationToken cancellationToken)
    {
        CheckWritable(stream);
        CheckFormat(format);
        return PipedStream.WriteAsync(stream, pipe => WriteTo(pipe, format, cancellationToken), cancellationToken);
    }

    private void WriteTo(Stream stream, WeightsFormat format, CancellationToken cancellationToken)
    {
        if (_parts.Count > 0)
            throw new InvalidOperationException($"Of '{_parts[0].Name}' this process has some of the rows, and others have the rest; only all of them together can write the file.");
        if (format == WeightsFormat.PyTorch) PyTorchWriter.WriteTo(stream, this, cancellationToken: cancellationToken);
        else SafetensorsWriter.WriteTo(stream, this, cancellationToken);
    }

    private static void CheckFormat(WeightsFormat format)
    {
        if (format is not (WeightsFormat.Safetensors or WeightsFormat.PyTorch)) throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such format of weights.");
    }

    private static void CheckWritable(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanWrite) throw new ArgumentException("The stream cannot be written; open it for writing.", nameof(stream));
    }

    // Half a surrogate pair has no UTF-8, so it would come back as another string.
    private static void CheckText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsSurrogatePair(text, i))
                throw new ArgumentException(FormattableString.Invariant($"The string holds half a surrogate pair at index {i}, which UTF-8 cannot carry; encode such data, for example as Base64."), nameof(text));
            i++;
        }
    }

    /// <summary>One tensor: values in memory, or bytes of another file.</summary>
    internal readonly struct Entry
    {
        private const int ChunkLength = 1 << 24;

        private readonly void* _values;
        private readonly WeightsFile? _file;
        private readonly WeightsTensor? _tensor;

        public Entry(string name, string type, IReadOnlyList<long> shape, void* values, long count)
        {
            (Name, Shape, Count, Type) = (name, shape, count, type);
            _values = values;
        }

        /// <exception cref="WeightsFormatException">The file's format has no bytes of its tensors to copy.</exception>
        public Entry(WeightsFile file, WeightsTensor tensor)
        {
            (Name, Shape, Count, Type) = (tensor.Name, tensor.Shape, tensor.Count, tensor.Type);
            (_file, _tensor) = (file, tensor);
        }

        public string Name { get; }

        public IReadOnlyList<long> Shape { get; }

        public long Count { get; }

        /// <summary>The type by its name in safetensors.</summary>
        public string Type { get; }

        /// <summary>The bytes of the values.</summary>
        public long ByteCount => Count * SafetensorsTypes.FindBits(Type) / 8;

        /// <summary>Gives the values' bytes in order, in chunks that a span can hold.</summary>
        public void ForEachChunk(TakeChunk take, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_file is not null)
            {
                _file.CopyBytes(_tensor!, take, cancellationToken);
                return;
            }

            for (var done = 0L; done < ByteCount; done += ChunkLength)
            {
                cancellationToken.ThrowIfCancellationRequested();
                take(new ReadOnlySpan<byte>((byte*)_values + done, (int)Math.Min(ChunkLength, ByteCount - done)));
            }
        }
    }

    /// <summary>Some of a tensor's values, of float32.</summary>
    internal readonly record struct Part(string Name, long FirstValue, nint Values, long Count);

    internal delegate void TakeChunk(ReadOnlySpan<byte> chunk);
}
