using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>Moves weights between this project's layers and TorchSharp modules, bit by bit.</summary>
public static class LayerConversions
{
    private const long ChunkBytes = 1 << 28;

    /// <summary>A module with the weights of a layer, which carries the layer's fingerprint.</summary>
    /// <remarks>The module's classes are the layer's slots: <c>GetSlot(id).Slot</c> of the vocabulary gives a token's.</remarks>
    /// <param name="layer">The layer; its loss options are not part of it.</param>
    /// <param name="device">Where the parameters are; null for the CPU.</param>
    /// <param name="dtype">The parameters' type, to which the weights are rounded; null for float32.</param>
    /// <param name="ignore_index">The target that stands for no target.</param>
    /// <param name="label_smoothing">The share in [0, 1] of each target that is spread evenly over all classes.</param>
    /// <param name="reduction">How losses of targets become one.</param>
    /// <exception cref="ArgumentException">The label smoothing or the reduction is out of range, or the type is no floating-point type.</exception>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public static AdaptiveLogSoftmaxWithLoss ToTorch(
        this AdaptiveSoftmaxLayer layer,
        Device? device = null,
        ScalarType? dtype = null,
        long ignore_index = -100,
        double label_smoothing = 0,
        nn.Reduction reduction = nn.Reduction.Mean)
    {
        ArgumentNullException.ThrowIfNull(layer);
        LibTorch.Require();
        var module = new AdaptiveLogSoftmaxWithLoss(layer.Layout, device ?? CPU, dtype ?? ScalarType.Float32, ignore_index, label_smoothing, reduction)
        {
            Identity = layer.Identity,
        };
        try
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            foreach (var (parameter, tensor) in layer.Parameters.Zip(module.OrderedParameters())) Copy(parameter, tensor);
            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    /// <summary>Takes over the weights of a module. If this throws, the weights are as they were.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="module">A module of the same sizes, on any device; weights of another type are rounded to float32.</param>
    /// <param name="acceptUnmarked">
    /// Whether to take the weights of a module that came from no layer, on the caller's word that its classes are this
    /// vocabulary's slots.
    /// </param>
    /// <exception cref="CheckpointMismatchException">The module is of another vocabulary or other sizes; the message says which.</exception>
    /// <exception cref="InvalidOperationException">Somebody replaced a parameter of the module by one that does not fit; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The layer, the module or one of its parameters is disposed.</exception>
    public static void FromTorch(this AdaptiveSoftmaxLayer layer, AdaptiveLogSoftmaxWithLoss module, bool acceptUnmarked = false)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(module);
        Check(layer, module, acceptUnmarked);
        using var use = module.Use();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // All that can fail comes before the first weight changes.
        Tensor[] hosts = [.. module.CheckedParameters().Select(pair => ToHost(pair.Name, pair.Parameter))];
        ObjectDisposedException.ThrowIf(layer.Parameters.Any(parameter => parameter.IsDisposed), layer);
        foreach (var (parameter, host) in layer.Parameters.Zip(hosts))
        {
            parameter.MarkChanged();
            ForEachChunk(parameter, host, (values, tensor) => tensor.CopyTo(values));
        }
    }

    /// <summary>The slot of each token id, by which tensors of token ids become the classes of the modules.</summary>
    /// <remarks>
    /// <c>table.index_select(0, ids)</c> maps a batch; make the table once. It has a place for every id up to the largest, and
    /// −1 for those that no token has, which the modules refuse or take for a padding of −1.
    /// </remarks>
    /// <param name="layer">The layer.</param>
    /// <param name="device">Where the table is; null for the CPU.</param>
    /// <returns>int64, [largest id + 1].</returns>
    /// <exception cref="DllNotFoundException">libtorch cannot be loaded; the message has the remedy.</exception>
    public static Tensor CreateSlotTable(this AdaptiveSoftmaxLayer layer, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(layer);
        LibTorch.Require();
        using var scope = NewDisposeScope();
        long[] ids = [.. Enumerable.Range(0, layer.Layout.VocabularySize).Select(slot => (long)layer.TokenOf(slot))];
        var table = full(ids.Max() + 1, -1, ScalarType.Int64, CPU);
        table.index_copy_(0, tensor(ids), arange(ids.Length, ScalarType.Int64));
        return table.to(device ?? CPU).MoveToOuterDisposeScope();
    }

    private static void Check(AdaptiveSoftmaxLayer layer, AdaptiveLogSoftmaxWithLoss module, bool acceptUnmarked)
    {
        const string Module = "The module";
        if (!layer.Layout.Equals(module.Layout))
        {
            throw new CheckpointMismatchException(
                Module, [$"its sizes are {Describe(module.Layout)} and the layer's {Describe(layer.Layout)}"], "Create the module with the layer's sizes, or with ToTorch.");
        }

        IdentityMetadata.Check(Module, module.Identity is null ? null : IdentityMetadata.From(module.Identity), layer.Identity, acceptUnmarked, "Take the module of a layer of the same class.");
    }

    private static string Describe(Vocabulary.SoftmaxLayout layout) =>
        string.Create(CultureInfo.InvariantCulture, $"hidden {layout.HiddenSize}, vocabulary {layout.VocabularySize}, cutoffs {string.Join(", ", layout.Tails.Select(tail => tail.Start))}, ")
        + $"projections {string.Join(", ", layout.Tails.Select(tail => tail.ProjectionWidth))}, {(layout.HasHeadBias ? "a" : "no")} head bias";

    private static void Copy(Parameter source, Tensor target)
    {
        var host = IsDirect(target) ? target.alias() : empty(target.shape, ScalarType.Float32, CPU);
        ForEachChunk(source, host, (values, tensor) => values.CopyTo(tensor));
        if (!IsDirect(target)) target.copy_(host);
    }

    private static Tensor ToHost(string name, Tensor source)
    {
        if (source.device_type == DeviceType.META) throw new InvalidOperationException($"{name} is on the device meta, where tensors have no values.");
        return IsDirect(source) ? source.alias() : source.to(ScalarType.Float32, CPU).resolve_neg().contiguous();
    }

    private static bool IsDirect(Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.dtype == ScalarType.Float32 && tensor.is_contiguous() && !tensor.is_neg();

    // In parts of some rows: a span holds less than a large weight.
    private static unsafe void ForEachChunk(Parameter parameter, Tensor tensor, ChunkAction action)
    {
        var rowBytes = (long)parameter.Columns * sizeof(float);
        var rows = Math.Max(1, ChunkBytes / rowBytes);
        for (var first = 0L; first < parameter.Rows; first += rows)
        {
            using var chunk = tensor.narrow(0, first, Math.Min(rows, parameter.Rows - first));
            var bytes = chunk.bytes;
            using var use = parameter.Use();
            action(new Span<byte>(parameter.ValuesPointer + (first * parameter.Columns), bytes.Length), bytes);
        }
    }

    private delegate void ChunkAction(Span<byte> values, Span<byte> tensor);
}
