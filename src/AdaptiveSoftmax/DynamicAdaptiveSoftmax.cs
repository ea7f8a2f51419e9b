using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// An adaptive softmax whose sizes are known only at run time: for experiments, tests and tools, and to serve what was
/// planned since the program was built. Made from a layout its token ids are its slots, made from a spec they are those of
/// its token table. With <see cref="SoftmaxLayout.CreateFull"/> it is a full softmax on the same kernels.
/// </summary>
public sealed class DynamicAdaptiveSoftmax : AdaptiveSoftmaxLayer
{
    private readonly TokenTable? _table;
    private readonly SlotIndex? _slots;

    /// <summary>Creates a layer and initialises it as PyTorch does.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="seed">The seed of the initialisation.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public DynamicAdaptiveSoftmax(SoftmaxLayout layout, ulong seed = 1, AdaptiveSoftmaxOptions? options = null)
        : this(layout, options) => Initialize(seed);

    /// <summary>Creates a layer of a spec, with its vocabulary and fingerprints, and initialises it as PyTorch does.</summary>
    /// <param name="definition">The spec and its vocabulary, as <see cref="SoftmaxDefinitionReader"/> reads them.</param>
    /// <param name="seed">The seed of the initialisation.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public DynamicAdaptiveSoftmax(SoftmaxDefinition definition, ulong seed = 1, AdaptiveSoftmaxOptions? options = null)
        : this(definition, options) => Initialize(seed);

    private DynamicAdaptiveSoftmax(SoftmaxLayout layout, AdaptiveSoftmaxOptions? options)
        : base(Identify(layout), CreateHead(layout), CreateTails(layout), options)
    {
    }

    private DynamicAdaptiveSoftmax(SoftmaxDefinition definition, AdaptiveSoftmaxOptions? options)
        : base(Identify(definition), CreateHead(definition.Layout), CreateTails(definition.Layout), options) =>
        (_table, _slots) = (definition.Table, new SlotIndex(definition.Table));

    /// <summary>Creates a layer with the weights of a file. It has no vocabulary, so any weights of its sizes fit.</summary>
    /// <param name="path">The file, in any form that <see cref="AdaptiveSoftmaxLayer.Restore(string, bool, string)"/> takes.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name in the file, for example <c>decoder.softmax.</c>.</param>
    /// <exception cref="CheckpointMismatchException">The weights are of other sizes; the message says which.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DynamicAdaptiveSoftmax Load(string path, SoftmaxLayout layout, AdaptiveSoftmaxOptions? options = null, string prefix = "") =>
        Restored(new DynamicAdaptiveSoftmax(layout, options), softmax => softmax.Restore(path, acceptUnmarked: false, prefix));

    /// <inheritdoc cref="Load(string, SoftmaxLayout, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Creates a layer with the weights that a stream holds.</summary>
    /// <param name="stream">The stream, from where it stands to its end. It stays open.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name.</param>
    public static DynamicAdaptiveSoftmax Load(Stream stream, SoftmaxLayout layout, AdaptiveSoftmaxOptions? options = null, string prefix = "") =>
        Restored(new DynamicAdaptiveSoftmax(layout, options), softmax => softmax.Restore(stream, acceptUnmarked: false, prefix));

    /// <inheritdoc cref="Load(string, SoftmaxLayout, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Creates a layer with the weights of a file, without holding on to the caller's thread.</summary>
    /// <param name="path">The file.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    public static Task<DynamicAdaptiveSoftmax> LoadAsync(string path, SoftmaxLayout layout, AdaptiveSoftmaxOptions? options = null, string prefix = "", CancellationToken cancellationToken = default) =>
        RestoredAsync(new DynamicAdaptiveSoftmax(layout, options), softmax => softmax.RestoreAsync(path, acceptUnmarked: false, prefix, cancellationToken));

    /// <inheritdoc cref="Load(Stream, SoftmaxLayout, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Creates a layer with the weights that a stream holds, without holding on to the caller's thread.</summary>
    /// <param name="stream">The stream, from where it stands to its end. It stays open.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    public static Task<DynamicAdaptiveSoftmax> LoadAsync(Stream stream, SoftmaxLayout layout, AdaptiveSoftmaxOptions? options = null, string prefix = "", CancellationToken cancellationToken = default) =>
        RestoredAsync(new DynamicAdaptiveSoftmax(layout, options), softmax => softmax.RestoreAsync(stream, acceptUnmarked: false, prefix, cancellationToken));

    /// <summary>Creates a layer of a spec with the weights of a file.</summary>
    /// <param name="path">The file, in any form that <see cref="AdaptiveSoftmaxLayer.Restore(string, bool, string)"/> takes.</param>
    /// <param name="definition">The spec and its vocabulary.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="acceptUnmarked">Whether weights without a fingerprint are taken.</param>
    /// <param name="prefix">What stands before each name in the file.</param>
    /// <exception cref="CheckpointMismatchException">The weights are of another spec or vocabulary; the message says which.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DynamicAdaptiveSoftmax Load(string path, SoftmaxDefinition definition, AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
        Restored(new DynamicAdaptiveSoftmax(definition, options), softmax => softmax.Restore(path, acceptUnmarked, prefix));

    /// <summary>
    /// Decodes with the output layer of a checkpoint, in the precision that it is stored in and without a float32 copy: rows by
    /// token id become slots of the vocabulary. To train on, take <see cref="AdaptiveSoftmaxLayer.RestoreHead(string, string, CancellationToken)"/>.
    /// </summary>
    /// <param name="path">The model: a file, an index, or the folder of a Hugging Face checkpoint; only the output layer is read.</param>
    /// <param name="definition">The spec, of a full softmax, and its vocabulary.</param>
    /// <param name="options">How it runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="tensorName">The whole name of the weight, [rows, hidden]; null to look for the usual ones behind any prefix.</param>
    /// <param name="precision">The precision to keep it in; null for the one that it is stored in.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CheckpointMismatchException">The head has too few rows, another hidden size, or a bias that the spec has not.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged, has no output layer or several, or a value is not finite.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static QuantizedSoftmax LoadHead(
        string path, SoftmaxDefinition definition, AdaptiveSoftmaxOptions? options = null, string? tensorName = null, WeightPrecision? precision = null, CancellationToken cancellationToken = default)
    {
        var identity = Identify(definition);
        return QuantizedSoftmax.LoadHead(path, identity, new SlotIndex(definition.Table).SlotOf, definition.Table.GetId, options, tensorName, precision, cancellationToken);
    }

    /// <inheritdoc cref="LoadHead(string, SoftmaxDefinition, AdaptiveSoftmaxOptions, string, WeightPrecision?, CancellationToken)"/>
    /// <param name="stream">The model, in one file, from where the stream stands to its end. It stays open; one that cannot seek is read into a temporary file.</param>
    /// <param name="definition">The spec, of a full softmax, and its vocabulary.</param>
    /// <param name="options">How it runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="tensorName">The whole name of the weight, [rows, hidden]; null to look for the usual ones behind any prefix.</param>
    /// <param name="precision">The precision to keep it in; null for the one that it is stored in.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static QuantizedSoftmax LoadHead(
        Stream stream, SoftmaxDefinition definition, AdaptiveSoftmaxOptions? options = null, string? tensorName = null, WeightPrecision? precision = null, CancellationToken cancellationToken = default)
    {
        var identity = Identify(definition);
        return QuantizedSoftmax.LoadHead(stream, identity, new SlotIndex(definition.Table).SlotOf, definition.Table.GetId, options, tensorName, precision, cancellationToken);
    }

    /// <inheritdoc cref="Load(string, SoftmaxLayout, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Creates a layer with the weights of a file, whose pages they may be.</summary>
    /// <param name="path">The file: to be mapped, safetensors of float32, in one file or several.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="mapping">Whether the file is mapped.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name.</param>
    public static DynamicAdaptiveSoftmax Load(string path, SoftmaxLayout layout, MemoryMapping mapping, AdaptiveSoftmaxOptions? options = null, string prefix = "") =>
        Loaded(new DynamicAdaptiveSoftmax(layout, options), path, mapping, acceptUnmarked: false, prefix);

    /// <inheritdoc cref="Load(string, SoftmaxDefinition, AdaptiveSoftmaxOptions, bool, string)"/>
    /// <summary>Creates a layer of a spec with the weights of a file, whose pages they may be.</summary>
    /// <param name="path">The file: to be mapped, safetensors of float32, in one file or several.</param>
    /// <param name="definition">The spec and its vocabulary.</param>
    /// <param name="mapping">Whether the file is mapped.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="acceptUnmarked">Whether weights without a fingerprint are taken.</param>
    /// <param name="prefix">What stands before each name in the file.</param>
    public static DynamicAdaptiveSoftmax Load(string path, SoftmaxDefinition definition, MemoryMapping mapping, AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
        Loaded(new DynamicAdaptiveSoftmax(definition, options), path, mapping, acceptUnmarked, prefix);

    /// <summary>Loads what <see cref="QuantizedSoftmax.Save(string, string)"/> wrote, for any vocabulary of its sizes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="mapping">Whether the file's pages become the weights.</param>
    /// <param name="options">How the softmax runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name in the file.</param>
    /// <exception cref="CheckpointMismatchException">The weights are of other sizes, or not quantised; the message says which.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged or of another format.</exception>
    /// <exception cref="IOException">The file cannot be read, or not be mapped.</exception>
    public static QuantizedSoftmax LoadQuantized(string path, SoftmaxLayout layout, MemoryMapping mapping = MemoryMapping.Off, AdaptiveSoftmaxOptions? options = null, string prefix = "") =>
        LoadQuantized(new DynamicAdaptiveSoftmax(layout, options), path, mapping, acceptUnmarked: false, prefix);

    /// <inheritdoc cref="LoadQuantized(string, SoftmaxLayout, MemoryMapping, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Loads what <see cref="QuantizedSoftmax.Save(Stream, string)"/> wrote, for any vocabulary of its sizes.</summary>
    /// <param name="stream">The stream, from where it stands to its end. It stays open, and need not seek.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="options">How the softmax runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name.</param>
    public static QuantizedSoftmax LoadQuantized(Stream stream, SoftmaxLayout layout, AdaptiveSoftmaxOptions? options = null, string prefix = "") =>
        LoadQuantized(new DynamicAdaptiveSoftmax(layout, options), stream, acceptUnmarked: false, prefix);

    /// <inheritdoc cref="LoadQuantized(Stream, SoftmaxLayout, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Loads what <see cref="QuantizedSoftmax.Save(Stream, string)"/> wrote, without holding on to the caller's thread.</summary>
    /// <param name="stream">The stream, which is read by its asynchronous methods alone where it cannot seek.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="options">How the softmax runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    public static Task<QuantizedSoftmax> LoadQuantizedAsync(Stream stream, SoftmaxLayout layout, AdaptiveSoftmaxOptions? options = null, string prefix = "", CancellationToken cancellationToken = default) =>
        LoadQuantizedAsync(new DynamicAdaptiveSoftmax(layout, options), stream, acceptUnmarked: false, prefix, cancellationToken);

    /// <inheritdoc cref="LoadQuantized(string, SoftmaxLayout, MemoryMapping, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Loads what <see cref="QuantizedSoftmax.Save(string, string)"/> wrote, for the vocabulary of a spec.</summary>
    /// <param name="path">The file.</param>
    /// <param name="definition">The spec and its vocabulary.</param>
    /// <param name="mapping">Whether the file's pages become the weights.</param>
    /// <param name="options">How the softmax runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="acceptUnmarked">Whether weights without a fingerprint are taken.</param>
    /// <param name="prefix">What stands before each name in the file.</param>
    public static QuantizedSoftmax LoadQuantized(string path, SoftmaxDefinition definition, MemoryMapping mapping = MemoryMapping.Off, AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
        LoadQuantized(new DynamicAdaptiveSoftmax(definition, options), path, mapping, acceptUnmarked, prefix);

    /// <inheritdoc cref="LoadQuantized(Stream, SoftmaxLayout, AdaptiveSoftmaxOptions, string)"/>
    /// <summary>Loads what <see cref="QuantizedSoftmax.Save(Stream, string)"/> wrote, for the vocabulary of a spec.</summary>
    /// <param name="stream">The stream, from where it stands to its end. It stays open, and need not seek.</param>
    /// <param name="definition">The spec and its vocabulary.</param>
    /// <param name="options">How the softmax runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="acceptUnmarked">Whether weights without a fingerprint are taken.</param>
    /// <param name="prefix">What stands before each name.</param>
    public static QuantizedSoftmax LoadQuantized(Stream stream, SoftmaxDefinition definition, AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
        LoadQuantized(new DynamicAdaptiveSoftmax(definition, options), stream, acceptUnmarked, prefix);

    /// <inheritdoc cref="Load(string, SoftmaxDefinition, AdaptiveSoftmaxOptions, bool, string)"/>
    /// <summary>Creates a layer of a spec with the weights that a stream holds.</summary>
    /// <param name="stream">The stream, from where it stands to its end. It stays open, and need not seek.</param>
    /// <param name="definition">The spec and its vocabulary.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <param name="acceptUnmarked">Whether weights without a fingerprint are taken.</param>
    /// <param name="prefix">What stands before each name.</param>
    public static DynamicAdaptiveSoftmax Load(Stream stream, SoftmaxDefinition definition, AdaptiveSoftmaxOptions? options = null, bool acceptUnmarked = false, string prefix = "") =>
        Restored(new DynamicAdaptiveSoftmax(definition, options), softmax => softmax.Restore(stream, acceptUnmarked, prefix));

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) =>
        _slots is { } slots ? slots.SlotOf(tokenId) : (uint)tokenId < (uint)Layout.VocabularySize ? tokenId : -1;

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => _table?.GetId(slot) ?? slot;

    // There is no vocabulary to take a fingerprint of: any weights of the same sizes fit.
    private static SoftmaxIdentity Identify(SoftmaxLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return new SoftmaxIdentity(layout, Fingerprint: "", VocabularyFingerprint: "");
    }

    private static SoftmaxIdentity Identify(SoftmaxDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return new SoftmaxIdentity(definition.Layout, definition.Fingerprint, definition.VocabularyFingerprint);
    }

    private static HeadLayer<MatrixShape> CreateHead(SoftmaxLayout layout) =>
        new(new MatrixShape(layout.HeadRows, layout.HiddenSize), layout.HasHeadBias);

    private static TailLayer<MatrixShape, MatrixShape>[] CreateTails(SoftmaxLayout layout) =>
    [
        .. layout.Tails.Select(tail => new TailLayer<MatrixShape, MatrixShape>(
            tail.Index,
            new MatrixShape(tail.ProjectionWidth, layout.HiddenSize),
            new MatrixShape(tail.Size, tail.ProjectionWidth))),
    ];
}
