using System.Diagnostics.CodeAnalysis;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>A model in several files, as one.</summary>
internal sealed unsafe class ShardedWeights : WeightsFile
{
    private readonly List<WeightsFile> _files = [];
    private readonly Dictionary<string, (WeightsTensor Tensor, WeightsFile File)> _byName = [];
    private readonly List<WeightsTensor> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    private ShardedWeights(string path)
        : base(path)
    {
    }

    /// <summary>That of its files.</summary>
    public override string Format => $"{string.Join(" and ", _files.Select(file => file.Format).Distinct())} in {_files.Count} files";

    /// <summary>The strings of all files.</summary>
    public override IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The tensors of all files, file after file in the order of their names.</summary>
    public override IReadOnlyList<WeightsTensor> Tensors => _tensors;

    /// <summary>Opens the files that an index names.</summary>
    /// <param name="path">The index.</param>
    /// <param name="map">The files by the tensors' names.</param>
    /// <param name="mapping">Whether their tensors may be used where they stand.</param>
    public static ShardedWeights Open(string path, IReadOnlyDictionary<string, string> map, MemoryMapping mapping)
    {
        var weights = new ShardedWeights(path);
        try
        {
            weights.OpenFiles(map, mapping);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    public override bool TryGetTensor(string name, [NotNullWhen(true)] out WeightsTensor? tensor)
    {
        var found = _byName.TryGetValue(name, out var entry);
        tensor = entry.Tensor;
        return found;
    }

    public override void Dispose()
    {
        foreach (var file in _files) file.Dispose();
    }

    internal override void Read(WeightsTensor tensor, float* destination) => _byName[tensor.Name].File.Read(tensor, destination);

    internal override (long NaN, long Infinite) CountNotFinite(WeightsTensor tensor) => _byName[tensor.Name].File.CountNotFinite(tensor);

    internal override void Read(WeightsTensor tensor, long first, long count, float* destination) => _byName[tensor.Name].File.Read(tensor, first, count, destination);

    internal override NativeFloats Map(WeightsTensor tensor) => _byName[tensor.Name].File.Map(tensor);

    internal override bool CanCopyBytes(WeightsTensor tensor) => _byName[tensor.Name].File.CanCopyBytes(tensor);

    internal override void CopyBytes(WeightsTensor tensor, WeightsContent.TakeChunk take, CancellationToken cancellationToken) =>
        _byName[tensor.Name].File.CopyBytes(tensor, take, cancellationToken);

    internal override WeightsFormatException CreateFault(string? tensorName, string problem, string remedy, Exception? innerException = null) =>
        tensorName is not null && _byName.TryGetValue(tensorName, out var entry)
            ? entry.File.CreateFault(tensorName, problem, remedy, innerException)
            : new WeightsFormatException(FileName, tensorName, problem, remedy, innerException);

    private WeightsFormatException IndexFault(string? tensorName, string problem, string remedy) => new(FileName, tensorName, problem, remedy);

    private void OpenFiles(IReadOnlyDictionary<string, string> map, MemoryMapping mapping)
    {
        var names = map.Values.Distinct().Order(StringComparer.Ordinal).ToList();
        if (names.Count > WeightsLimits.Files)
            throw IndexFault(null, $"It names {names.Count} files, more than the {WeightsLimits.Files} that are read as one model.", "Join them in fewer files.");
        var folder = Path.GetDirectoryName(Path.GetFullPath(FileName))!;
        foreach (var name in names)
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path)) throw IndexFault(null, $"It names the file '{Excerpt.Name(name)}', which is not beside it.", "Copy or download that file too.");
            var file = Open(WeightsBytes.Open(path, mapping), path, isShard: true);
            _files.Add(file);
            AddTensors(file, name, map);
            AddMetadata(file);
        }

        foreach (var (tensor, file) in map)
        {
            if (!_byName.ContainsKey(tensor)) throw IndexFault(tensor, $"It should be in the file '{Excerpt.Name(file)}', which does not have it.", "Copy or save index and files again.");
        }
    }

    private void AddTensors(WeightsFile file, string name, IReadOnlyDictionary<string, string> map)
    {
        foreach (var tensor in file.Tensors)
        {
            // What the index says to be in another file is not this one.
            if (map.TryGetValue(tensor.Name, out var place) && place != name) continue;
            if (!_byName.TryAdd(tensor.Name, (tensor, file)))
                throw IndexFault(tensor.Name, "It is in two of the files, and the index does not say which is meant.", "Copy or save index and files again.");
            if (_tensors.Count == WeightsLimits.ModelTensors)
                throw IndexFault(null, $"Its files have more than the {WeightsLimits.ModelTensors} tensors that are read of one model.", "Save the tensors that are needed alone.");
            _tensors.Add(tensor);
        }
    }

    // Files of one model say the same of it; what they say differently is about themselves.
    private void AddMetadata(WeightsFile file)
    {
        foreach (var (key, value) in file.Metadata)
        {
            if (_metadata.TryAdd(key, value) || _metadata[key] == value) continue;
            if (key == IdentityMetadata.Key)
                throw IndexFault(null, "Its files carry different fingerprints, so they are of different models.", "Copy the files of one model together, or save it again.");
        }
    }
}
