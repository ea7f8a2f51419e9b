using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>
/// Adaptive input embeddings (Baevski and Auli, "Adaptive Input Representations for Neural Language Modeling", 2019): a table
/// of full width for the frequent classes and a narrower one for each cluster of rarer ones, each with a projection to the
/// full width. fairseq's <c>AdaptiveInput</c>, over the clusters of an <see cref="AdaptiveLogSoftmaxWithLoss"/>, whose
/// weights it can share.
/// </summary>
/// <remarks>
/// Classes are numbered by falling frequency, as in the loss module: they are the slots of a vocabulary, not its token ids.
/// Names in the state dict are fairseq's: <c>embeddings.0</c> for the shortlist and <c>embeddings.{i + 1}</c> for tail i,
/// with <c>0.weight</c> the table [size, width] and <c>1.weight</c> the projection [embedding, width]. Every table has a
/// projection, that of full width included, as in the paper. Weights shared with a softmax stay its parameters: they are
/// not among the <c>parameters()</c> and in the state dict of this module, move with the softmax's <c>to</c>, and take
/// part in its loading and saving. A call waits for the device once.
/// </remarks>
public sealed class AdaptiveInput : nn.Module<Tensor, Tensor>
{
    private readonly TokenGrouping _grouping;

    // Not a field of a module's type: that would make the softmax a part of this module, and list its parameters twice.
    private readonly Func<TorchParameter[]>? _shared;
    private readonly Func<MemoryLease>? _useShared;
    private readonly MemoryLeases _leases = new();
    private int _disposed;

    /// <summary>Creates the module with tables and projections of its own.</summary>
    /// <param name="embedding_dim">The size of a vector, and the width of the shortlist's table.</param>
    /// <param name="n_classes">The number of classes.</param>
    /// <param name="cutoffs">The first class of each tail cluster: ascending, each from 1 to n_classes − 1.</param>
    /// <param name="div_value">The factor by which each cluster's table narrows; widths are rounded as in the loss module.</param>
    /// <param name="padding_idx">
    /// The value whose vector is zero and trains nothing: a class, or any other value, such as −1, where no class stands for
    /// padding. Null for none.
    /// </param>
    /// <param name="device">Where the parameters are; null for the default device.</param>
    /// <param name="dtype">The parameters' type; null for the default type.</param>
    /// <exception cref="ArgumentException">The arguments do not describe adaptive embeddings; the message says which.</exception>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    public AdaptiveInput(
        long embedding_dim,
        long n_classes,
        IReadOnlyList<long> cutoffs,
        double div_value = 4.0,
        long? padding_idx = null,
        Device? device = null,
        ScalarType? dtype = null)
        : this(ModuleArguments.CreateLayout(embedding_dim, nameof(embedding_dim), n_classes, cutoffs, div_value), padding_idx, device, dtype)
    {
    }

    /// <summary>Creates the module with tables and projections of its own, from a layout, whose widths may be any.</summary>
    /// <param name="layout">The sizes; a tail's table has the width of its projection. Whether the head has a bias is of no account.</param>
    /// <param name="padding_idx">The value whose vector is zero and trains nothing, a class or not; null for none.</param>
    /// <param name="device">Where the parameters are; null for the default device.</param>
    /// <param name="dtype">The parameters' type; null for the default type.</param>
    /// <exception cref="ArgumentException">The type is no floating-point type.</exception>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    public AdaptiveInput(SoftmaxLayout layout, long? padding_idx = null, Device? device = null, ScalarType? dtype = null)
        : base(ModuleArguments.CheckedName(layout, nameof(AdaptiveInput)))
    {
        ModuleParameters.CheckType(dtype);
        Layout = layout;
        this.padding_idx = padding_idx;
        embeddings = new ModuleList<Sequential>(
        [
            .. Bands.Select(band => nn.Sequential(
                ("0", new EmbeddingTable(band.Size, band.Width, device, dtype)),
                ("1", nn.Linear(band.Width, layout.HiddenSize, hasBias: false, device, dtype)))),
        ]);
        _grouping = new TokenGrouping(layout, GetType());
        RegisterComponents();
        reset_parameters();
    }

    /// <summary>Creates the module with the tables of a softmax, and if wanted with its projections.</summary>
    /// <remarks>
    /// The shortlist's table is the head's rows of the shortlist, and that of tail i is <c>tail.{i}.1.weight</c>. With
    /// <paramref name="tie_projections"/> a tail's projection is <c>tail.{i}.0.weight</c>, transposed (fairseq's
    /// <c>tie_adaptive_proj</c>); the shortlist's projection has no counterpart in the softmax and is always this module's
    /// own. The gradients of both uses add up in the softmax's parameters. Shared weights keep the values that the softmax
    /// gave them.
    /// </remarks>
    /// <param name="softmax">The softmax, which must live as long as this module is used; disposing this module leaves it as it is.</param>
    /// <param name="tie_projections">Whether to share the tails' projections as well.</param>
    /// <param name="padding_idx">
    /// The value whose vector is zero and trains nothing, a class or not; null for none. A class's row in the softmax is
    /// left as it is.
    /// </param>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    public AdaptiveInput(AdaptiveLogSoftmaxWithLoss softmax, bool tie_projections = false, long? padding_idx = null)
        : base(ModuleArguments.CheckedName(softmax, nameof(AdaptiveInput)))
    {
        Layout = softmax.Layout;
        this.padding_idx = padding_idx;
        _shared = softmax.OrderedParameters;
        _useShared = softmax.Use;
        using var use = softmax.Use();
        var table = _shared()[0];
        var (device, dtype) = (table.device, table.dtype);
        embeddings = new ModuleList<Sequential>([.. Bands.Select(Share)]);
        _grouping = new TokenGrouping(Layout, GetType());
        RegisterComponents();
        reset_parameters();

        Sequential Share((int Index, int Start, int Size, int Width) band)
        {
            var tail = band.Index - 1;
            // The head's rows of clusters come after those of the shortlist, so that no class of the shortlist reads them.
            var rows = new SharedModule("EmbeddingTable", classes => EmbeddingTable.Lookup(tail < 0 ? softmax.head.weight : softmax.Output(tail), classes));
            nn.Module<Tensor, Tensor> projection = tie_projections && tail >= 0
                ? new SharedModule(nameof(Linear), vectors => vectors.matmul(softmax.Projection(tail)))
                : nn.Linear(band.Width, Layout.HiddenSize, hasBias: false, device, dtype);
            return nn.Sequential(("0", rows), ("1", projection));
        }
    }

    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout { get; }

    /// <summary>A table and a projection for the shortlist and then for each tail: <c>embeddings.{i}.0.weight</c> [size, width] and <c>embeddings.{i}.1.weight</c> [embedding, width].</summary>
    [field: ComponentName(Name = nameof(embeddings))]
    public ModuleList<Sequential> embeddings { get; }

    /// <summary>The size of a vector.</summary>
    public long embedding_dim => Layout.HiddenSize;

    /// <summary>The number of classes.</summary>
    public long n_classes => Layout.VocabularySize;

    /// <summary>The value whose vector is zero and trains nothing; null for none.</summary>
    public long? padding_idx { get; }

    // The parts of the layout, the shortlist first.
    private IEnumerable<(int Index, int Start, int Size, int Width)> Bands =>
        Layout.Tails.Select(tail => (tail.Cluster, tail.Start, tail.Size, tail.ProjectionWidth)).Prepend((0, 0, Layout.ShortlistSize, Layout.HiddenSize));

    /// <summary>
    /// Initialises this module's own parameters again as fairseq does: tables by a normal law of standard deviation
    /// 1/√width, with zeros for the padding class, and projections by Xavier's uniform law. Shared weights stay as they are.
    /// </summary>
    public void reset_parameters()
    {
        using var use = _leases.Take();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        CheckParameters();
        foreach (var (index, start, size, width) in Bands)
        {
            if (embeddings[index][0] is EmbeddingTable { Weight: var table })
            {
                nn.init.normal_(table, 0, 1 / Math.Sqrt(width));
                if (padding_idx is { } padding && padding >= start && padding < start + size) table.select(0, padding - start).zero_();
            }

            if (embeddings[index][1] is Linear { weight: var projection }) nn.init.xavier_uniform_(projection);
        }
    }

    /// <summary>The vector of each class.</summary>
    /// <param name="input">Classes, integers of any type and shape, [*].</param>
    /// <returns>The vectors, [*, embedding], in the parameters' type.</returns>
    /// <exception cref="ArgumentException">The type does not fit, a class is out of range, or the input is on another device than the parameters.</exception>
    /// <exception cref="InvalidOperationException">
    /// The softmax that shares its weights has been moved, or changed its type, without this module; or somebody replaced a
    /// parameter by one that does not fit. The message names it.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The module, the softmax or a parameter is disposed.</exception>
    public override Tensor forward(Tensor input)
    {
        using var use = _leases.Take();
        if (_useShared is null) return Embed(input);
        using var useShared = _useShared();
        return Embed(input);
    }

    private Tensor Embed(Tensor input)
    {
        Check(input);
        using var scope = NewDisposeScope();
        var classes = input.reshape(-1).to(ScalarType.Int64);
        var groups = _grouping.Group(classes, padding_idx, nameof(input));
        var sorted = classes.index_select(0, groups.Order);
        var parts = new List<Tensor>();
        var first = 0L;
        foreach (var (index, start, _, _) in Bands)
        {
            // The shortlist takes part even where no class is its own: the result of an empty batch has a graph too.
            var count = index == 0 ? groups.ShortlistCount : groups.TailCounts[index - 1];
            if (count > 0 || index == 0) parts.Add(embeddings[index].call(sorted.narrow(0, first, count) - start));
            first += count;
        }

        var vectors = cat(parts, 0);
        var result = zeros(classes.shape[0], embedding_dim, vectors.dtype, vectors.device).index_copy(0, groups.Order, vectors);
        return result.reshape([.. input.shape, embedding_dim]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Releases the module's own parameters. Calls on other threads that work with them end first, or with an
    /// <see cref="ObjectDisposedException"/>.
    /// </summary>
    /// <param name="disposing">Whether it is called by <c>Dispose</c>.</param>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            base.Dispose(disposing);
            return;
        }

        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _leases.Close(GetType());
        _leases.WhenUnused(() =>
        {
            _grouping.Dispose();
            base.Dispose(disposing);
        });
    }

    private void Check(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ModuleArguments.CheckClasses(input, nameof(input));
        var own = CheckParameters();
        if (_shared?.Invoke()[0] is { } shared && (shared.dtype != own.dtype || !ModuleArguments.IsSame(shared.device, own.device)))
            throw new InvalidOperationException($"The weights of the softmax are {shared.dtype} on {shared.device} and the embeddings' own projections {own.dtype} on {own.device}; move both modules with the same calls of to.");
        ModuleArguments.CheckDevice(input, nameof(input), own.device);
    }

    // The shortlist's projection, which is always this module's own.
    private TorchParameter CheckParameters()
    {
        if (embeddings.Count != Layout.TailCount + 1 || embeddings.Any(band => band.Count != 2))
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"embeddings must hold {Layout.TailCount + 1} modules of a table and a projection each, and somebody changed that."));
        var found = new List<(string, TorchParameter)>();
        foreach (var (index, _, size, width) in Bands)
        {
            var (table, projection) = (embeddings[index][0], embeddings[index][1]);
            if (projection is not SharedModule)
                found.Add((string.Create(CultureInfo.InvariantCulture, $"embeddings.{index}.1.weight"), ModuleParameters.Weight(projection, string.Create(CultureInfo.InvariantCulture, $"embeddings.{index}.1"), embedding_dim, width)));
            if (table is EmbeddingTable { Weight: var weight })
                found.Add((string.Create(CultureInfo.InvariantCulture, $"embeddings.{index}.0.weight"), ModuleParameters.Check(weight, string.Create(CultureInfo.InvariantCulture, $"embeddings.{index}.0.weight"), size, width)));
            else if (table is not SharedModule)
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"embeddings.{index}.0 is a {table.GetType().Name}; tables cannot be replaced by other modules."));
        }

        ModuleParameters.CheckDevices(found);
        return found[0].Item2;
    }
}
