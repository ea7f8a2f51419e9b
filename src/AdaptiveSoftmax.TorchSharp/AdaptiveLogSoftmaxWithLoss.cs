using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>
/// PyTorch's <c>nn.AdaptiveLogSoftmaxWithLoss</c>: the log-softmax of a large vocabulary and its loss, with a head over the
/// frequent classes and a narrower tail for each cluster of rarer ones.
/// </summary>
/// <remarks>
/// Classes are numbered by falling frequency: they are the slots of a vocabulary, not its token ids. Arguments, defaults,
/// names in the state dict and initialisation are PyTorch's. Padding, label smoothing and other reductions are options that
/// it lacks. A call waits for the device once, where PyTorch waits once a cluster. In half precision the log-softmax is
/// computed in float32, and so are output and loss.
/// </remarks>
public sealed partial class AdaptiveLogSoftmaxWithLoss : nn.Module<Tensor, Tensor, (Tensor output, Tensor loss)>
{
    // The logits of a block of tokens, and those that wait for a backward pass; what does not fit is computed again.
    private const long BlockLogitBytes = 64L << 20;
    private const long KeptLogitBytes = 256L << 20;

    private readonly TokenGrouping _grouping;
    private readonly DeferredMemory _memory = new(BlockLogitBytes, KeptLogitBytes);
    private readonly MemoryLeases _leases = new();

    private int _disposed;

    /// <summary>Creates the module with PyTorch's initialisation.</summary>
    /// <param name="in_features">The size of a hidden vector.</param>
    /// <param name="n_classes">The number of classes.</param>
    /// <param name="cutoffs">The first class of each tail cluster: ascending, each from 1 to n_classes − 1.</param>
    /// <param name="div_value">The factor by which each cluster's projection narrows.</param>
    /// <param name="head_bias">Whether the head has a bias.</param>
    /// <param name="device">Where the parameters are; null for the default device.</param>
    /// <param name="dtype">The parameters' type; null for the default type.</param>
    /// <param name="ignore_index">The target that stands for no target, such as padding: it adds nothing to loss or gradient.</param>
    /// <param name="label_smoothing">The share in [0, 1] of each target that is spread evenly over all classes.</param>
    /// <param name="reduction">How losses of targets become one; <c>None</c> keeps one loss a target.</param>
    /// <exception cref="ArgumentException">The arguments do not describe an adaptive softmax; the message says which.</exception>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    public AdaptiveLogSoftmaxWithLoss(
        long in_features,
        long n_classes,
        IReadOnlyList<long> cutoffs,
        double div_value = 4.0,
        bool head_bias = false,
        Device? device = null,
        ScalarType? dtype = null,
        long ignore_index = -100,
        double label_smoothing = 0,
        nn.Reduction reduction = nn.Reduction.Mean)
        : this(ModuleArguments.CreateLayout(in_features, nameof(in_features), n_classes, cutoffs, div_value, head_bias), device, dtype, ignore_index, label_smoothing, reduction)
    {
    }

    /// <summary>Creates the module from a layout, whose projections may have any width.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="device">Where the parameters are; null for the default device.</param>
    /// <param name="dtype">The parameters' type; null for the default type.</param>
    /// <param name="ignore_index">The target that stands for no target, such as padding: it adds nothing to loss or gradient.</param>
    /// <param name="label_smoothing">The share in [0, 1] of each target that is spread evenly over all classes.</param>
    /// <param name="reduction">How losses of targets become one; <c>None</c> keeps one loss a target.</param>
    /// <exception cref="ArgumentException">The label smoothing or the reduction is out of range, or the type is no floating-point type.</exception>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    public AdaptiveLogSoftmaxWithLoss(
        SoftmaxLayout layout,
        Device? device = null,
        ScalarType? dtype = null,
        long ignore_index = -100,
        double label_smoothing = 0,
        nn.Reduction reduction = nn.Reduction.Mean)
        : base(ModuleArguments.CheckedName(layout, nameof(AdaptiveLogSoftmaxWithLoss)))
    {
        if (!(label_smoothing is >= 0 and <= 1))
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The label smoothing is {label_smoothing}; it must be from 0 to 1."), nameof(label_smoothing));
        if (!Enum.IsDefined(reduction))
            throw new ArgumentException($"The reduction {reduction} is none of None, Mean and Sum.", nameof(reduction));
        ModuleParameters.CheckType(dtype);
        Layout = layout;
        this.ignore_index = ignore_index;
        this.label_smoothing = label_smoothing;
        this.reduction = reduction;
        head = nn.Linear(layout.HiddenSize, layout.HeadRows, layout.HasHeadBias, device, dtype);
        tail = new ModuleList<Sequential>(
        [
            .. layout.Tails.Select(cluster => nn.Sequential(
                nn.Linear(layout.HiddenSize, cluster.ProjectionWidth, hasBias: false, device, dtype),
                nn.Linear(cluster.ProjectionWidth, cluster.Size, hasBias: false, device, dtype))),
        ]);
        _grouping = new TokenGrouping(layout, GetType());
        RegisterComponents();
    }

    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout { get; }

    /// <summary>
    /// What the parameters stand for, with the vocabulary's fingerprint; null for a module that did not come from a layer.
    /// </summary>
    public SoftmaxIdentity? Identity { get; internal init; }

    /// <summary>The head, <c>head.weight</c> [shortlist + clusters, in] and <c>head.bias</c>.</summary>
    [field: ComponentName(Name = nameof(head))]
    public Linear head { get; }

    /// <summary>The tails: a projection, <c>tail.{i}.0.weight</c> [width, in], and an output, <c>tail.{i}.1.weight</c> [size, width].</summary>
    [field: ComponentName(Name = nameof(tail))]
    public ModuleList<Sequential> tail { get; }

    /// <summary>The size of a hidden vector.</summary>
    public long in_features => Layout.HiddenSize;

    /// <summary>The number of classes.</summary>
    public long n_classes => Layout.VocabularySize;

    /// <summary>The number of classes in the head.</summary>
    public long shortlist_size => Layout.ShortlistSize;

    /// <summary>The number of tail clusters.</summary>
    public long n_clusters => Layout.TailCount;

    /// <summary>The target that stands for no target.</summary>
    public long ignore_index { get; }

    /// <summary>The share of each target that is spread evenly over all classes.</summary>
    public double label_smoothing { get; }

    /// <summary>How losses of targets become one.</summary>
    public nn.Reduction reduction { get; }

    /// <summary>Which code computes <see cref="forward"/> and its gradients; results agree to rounding.</summary>
    /// <exception cref="ArgumentException">There is no such implementation.</exception>
    public SoftmaxImplementation implementation
    {
        get;
        set => field = Enum.IsDefined(value) ? value : throw new ArgumentException($"The implementation {value} is none of Auto, Fused and Composed.", nameof(value));
    }

    /// <summary>Initialises the parameters again as PyTorch does: uniform in ±1/√fan_in.</summary>
    public void reset_parameters()
    {
        using var use = Use();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var parameter in OrderedParameters())
        {
            var fanIn = parameter.dim() == 1 ? in_features : parameter.shape[1];
            nn.init.uniform_(parameter, -1 / Math.Sqrt(fanIn), 1 / Math.Sqrt(fanIn));
        }
    }

    /// <summary>
    /// Releases the parameters. Calls on other threads that work with them end first, or with an
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
            _memory.Dispose();
            _grouping.Dispose();
            base.Dispose(disposing);
        });
    }

    /// <summary>Keeps parameters and working memory until the lease ends.</summary>
    /// <exception cref="ObjectDisposedException">The module is disposed.</exception>
    internal MemoryLease Use() => _leases.Take();
}
