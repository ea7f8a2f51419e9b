using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Reads small weights of a file, or takes them where they stand; all is checked before anything is read.</summary>
internal sealed unsafe class QuantizedRestore(WeightsFile file, SoftmaxIdentity identity) : IDisposable
{
    private const string Damaged = "The file is damaged; copy or save it again.";

    private readonly Dictionary<string, (QuantizedTensor Tensor, WeightsTensor Source)> _sources = [];
    private readonly List<NativeFloats> _parts = [];
    private QuantizedMetadata? _metadata;

    /// <summary>Whether weights without a fingerprint are taken.</summary>
    public bool AcceptUnmarked { get; init; }

    /// <summary>What stands in the file before each name.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Whether the file's pages become the weights.</summary>
    public bool IsMapped { get; init; }

    /// <summary>The precisions of the weights.</summary>
    public QuantizationOptions Precision => _metadata!.Precision;

    /// <summary>Checks fingerprint, precisions, names, types and shapes.</summary>
    /// <exception cref="CheckpointMismatchException">They are of another softmax, or not there; the message says which.</exception>
    /// <exception cref="WeightsFormatException">What the file says of its weights cannot be read.</exception>
    public void Check()
    {
        _metadata = QuantizedMetadata.Find(file) ?? throw new CheckpointMismatchException(
            file.FileName, ["it holds no quantised softmax: its metadata has no " + QuantizedMetadata.Key], "Load it as a layer and call Quantize(), whose result can be saved.");
        var weights = file.Metadata.TryGetValue(IdentityMetadata.Key, out var json) ? IdentityMetadata.Parse(file, json) : null;
        IdentityMetadata.Check(file.FileName, weights, identity, AcceptUnmarked, "Build with the spec and token table that the weights were trained with, or quantise weights of these.");
        var (layout, differences) = (identity.Layout, new List<string>());
        if (Precision.TailOverrides.Count != layout.TailCount)
            throw new CheckpointMismatchException(file.FileName, [FormattableString.Invariant($"it gives precisions of {Precision.TailOverrides.Count} tails, and there are {layout.TailCount}")], "Save it again.");
        foreach (var weight in QuantizedTensors.Weights(layout, Precision))
        {
            foreach (var tensor in QuantizedTensors.Of(weight.Precision, weight.Rows, weight.Columns)) Find(weight.Name, tensor, weight.Precision, differences);
        }

        if (layout.HasHeadBias) Find("head.bias", new QuantizedTensor("", SafetensorsTypes.Float32, [layout.HeadRows]), WeightPrecision.Float32, differences);
        else if (file.TryGetTensor(Prefix + "head.bias", out _)) differences.Add($"the file has a tensor '{Excerpt.Name(Prefix)}head.bias', and the class has no head bias");
        if (_metadata.Screens is { } screens) FindScreens(screens, differences);
        if (differences.Count > 0)
            throw new CheckpointMismatchException(file.FileName, differences, Remedy());
    }

    /// <summary>Reads head and tails, and copies for certified decoding where there are some; they belong to the caller.</summary>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    /// <exception cref="WeightsFormatException">A tensor is damaged.</exception>
    public (QuantizedCluster Head, QuantizedCluster[] Tails, CertifiedScreens? Screens) Read(CancellationToken cancellationToken)
    {
        var matrices = new List<QuantizedMatrix>();
        foreach (var weight in QuantizedTensors.Weights(identity.Layout, Precision))
        {
            var parts = ReadAll(weight.Name, QuantizedTensors.Of(weight.Precision, weight.Rows, weight.Columns), cancellationToken);
            matrices.Add(new QuantizedMatrix(weight.Rows, weight.Columns, weight.Precision, parts));
        }

        var head = new QuantizedCluster(projection: null, matrices[0], identity.Layout.HasHeadBias ? Read("head.bias", cancellationToken) : null, LogitMap.Of(identity.Layout));
        var tails = Enumerable.Range(0, identity.Layout.TailCount).Select(tail => new QuantizedCluster(matrices[(2 * tail) + 1], matrices[(2 * tail) + 2], bias: null)).ToArray();
        var screens = _metadata!.Screens is null ? null : ReadScreens(_metadata.Screens, [.. tails.Prepend(head).Select(cluster => cluster.Output)], cancellationToken);
        _parts.Clear();
        return (head, tails, screens);
    }

    /// <summary>The tensors whose bytes are not those of their checksum, by name.</summary>
    /// <param name="cancellationToken">Ends it between two chunks.</param>
    public IReadOnlyList<string> FindDamaged(CancellationToken cancellationToken) =>
        [.. _sources.Where(source => file.CanCopyBytes(source.Value.Source) && Checksum(source.Value.Source, cancellationToken) != _metadata!.Checksums[source.Key]).Select(source => source.Value.Source.Name)];

    /// <summary>Releases what was read where it came to nothing.</summary>
    public void Dispose()
    {
        foreach (var part in _parts) part.Dispose();
    }

    private void Find(string weight, QuantizedTensor tensor, WeightPrecision precision, List<string> differences)
    {
        var name = weight + tensor.Suffix;
        if (!file.TryGetTensor(Prefix + name, out var found)) differences.Add($"the file has no tensor '{Excerpt.Name(Prefix + name)}'");
        else if (found.Type != tensor.Type) differences.Add($"'{Excerpt.Name(found.Name)}' is {Excerpt.Name(found.Type)} in the file, and {tensor.Type} in {precision.GetName()}");
        else if (!found.Shape.SequenceEqual(tensor.Shape)) differences.Add($"'{Excerpt.Name(found.Name)}' is {WeightsText.Shape(found.Shape)} in the file, and {WeightsText.Shape(tensor.Shape)} is needed");
        else if (!_metadata!.Checksums.ContainsKey(name)) differences.Add($"the file has no checksum of '{Excerpt.Name(found.Name)}'");
        else _sources.Add(name, (tensor, found));
    }

    private void FindScreens(ScreensMetadata screens, List<string> differences)
    {
        foreach (var (cluster, weight) in QuantizedTensors.Screened(identity.Layout).Index())
        {
            foreach (var precision in screens.Of(cluster))
            {
                var tensors = QuantizedTensors.OfScreen(precision, weight.Rows, weight.Columns);
                foreach (var tensor in tensors) Find(weight.Name, tensor, precision, differences);
                var name = weight.Name + tensors[0].Suffix;
                if (!screens.LargestNorms.ContainsKey(name)) differences.Add($"the file has no largest norm of '{Excerpt.Name(Prefix + name)}'");
            }
        }
    }

    private CertifiedScreens ReadScreens(ScreensMetadata screens, IReadOnlyList<StoredRows> rows, CancellationToken cancellationToken)
    {
        var clusters = new List<RowScreen[]>();
        foreach (var (cluster, weight) in QuantizedTensors.Screened(identity.Layout).Index())
        {
            clusters.Add([.. screens.Of(cluster).Select(precision =>
            {
                var tensors = QuantizedTensors.OfScreen(precision, weight.Rows, weight.Columns);
                var parts = ReadAll(weight.Name, tensors, cancellationToken);
                CheckBounds(weight.Name + tensors[^1].Suffix, parts[^1], weight.Rows);
                var errors = new RowErrors(rows[cluster], parts[^1], screens.LargestNorms[weight.Name + tensors[0].Suffix]);
                return new RowScreen(new QuantizedMatrix(weight.Rows, weight.Columns, precision, parts[..^1]), errors);
            })]);
        }

        return new CertifiedScreens(clusters[0], [.. clusters.Skip(1).Select(copies => copies[0])]);
    }

    // A bound that no comparison holds for would lose rows in silence.
    private void CheckBounds(string name, NativeFloats bounds, int rows)
    {
        for (var row = 0; row < rows; row++)
        {
            if (bounds.Pointer[row] is >= 0 and < float.PositiveInfinity) continue;
            throw file.CreateFault(Prefix + name, FormattableString.Invariant($"The bound of row {row} is no finite number of at least 0."), Damaged);
        }
    }

    private List<NativeFloats> ReadAll(string weight, IReadOnlyList<QuantizedTensor> tensors, CancellationToken cancellationToken) =>
        [.. tensors.Select(tensor => Read(weight + tensor.Suffix, cancellationToken))];

    private uint Checksum(WeightsTensor tensor, CancellationToken cancellationToken)
    {
        var checksum = 0u;
        file.CopyBytes(tensor, chunk => checksum = Crc32C.Append(checksum, chunk), cancellationToken);
        return checksum;
    }

    private string Remedy()
    {
        const string Head = "head.weight";
        if (!file.TryGetTensor(Prefix + Head, out _) && file.Tensors.Select(tensor => tensor.Name).FirstOrDefault(name => name == Head || name.EndsWith($".{Head}", StringComparison.Ordinal)) is { } found)
            return $"The file has '{Excerpt.Name(found)}': load with prefix: \"{Excerpt.Name(found[..^Head.Length])}\".";
        return "Save the quantised softmax again.";
    }

    private NativeFloats Read(string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (tensor, source) = _sources[name];
        if (IsMapped)
        {
            // What is read behind the tensor must be the file's too.
            var mapped = file.Map(source);
            _parts.Add(mapped);
            var end = (byte*)mapped.Pointer + tensor.ByteCount + tensor.ReadBehind;
            if (end <= mapped.Map!.Pointer + mapped.Map.Length) return mapped;
            _parts.Remove(mapped);
            mapped.Dispose();
        }

        if (!file.CanCopyBytes(source)) throw file.CreateFault(source.Name, "Small weights are read from safetensors alone.", "Save the quantised softmax again.");
        var part = new NativeFloats((tensor.ByteCount + tensor.ReadBehind + sizeof(float) - 1) / sizeof(float));
        _parts.Add(part);
        var (done, checksum) = (0L, 0u);
        file.CopyBytes(source, chunk =>
        {
            chunk.CopyTo(new Span<byte>((byte*)part.Pointer + done, chunk.Length));
            checksum = Crc32C.Append(checksum, chunk);
            done += chunk.Length;
        }, cancellationToken);
        var saved = _metadata!.Checksums[name];
        if (checksum != saved) throw file.CreateFault(source.Name, $"Its bytes have the checksum {QuantizedMetadata.Format(checksum)}, and those that were saved {QuantizedMetadata.Format(saved)}.", Damaged);
        return part;
    }
}
