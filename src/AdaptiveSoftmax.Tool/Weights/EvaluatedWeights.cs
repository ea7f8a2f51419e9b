using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>A softmax that is judged: the one of a file, or a copy of it.</summary>
/// <param name="Name">What results call it.</param>
/// <param name="File">The file.</param>
/// <param name="Softmax">The softmax.</param>
/// <param name="Table">Its vocabulary in slot order.</param>
internal sealed record EvaluatedWeights(string Name, string File, SoftmaxDecoder Softmax, TokenTable Table) : IDisposable
{
    /// <summary>Reads the softmax of a file.</summary>
    /// <param name="path">The file: with one adaptive softmax, or else a full one.</param>
    /// <param name="spec">Its spec.</param>
    /// <param name="tensor">The full softmax's matrix by name; null to find out.</param>
    /// <param name="prefix">What stands before the adaptive softmax's names; null where there is one alone.</param>
    /// <param name="options">How the layer runs.</param>
    /// <param name="console">Where to say what a user should know.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ToolException">The file does not fit the spec, or holds no softmax.</exception>
    public static EvaluatedWeights Read(string path, string spec, string? tensor, string? prefix, AdaptiveSoftmaxOptions options, ToolConsole console, CancellationToken cancellationToken)
    {
        var definition = SpecFile.Read(spec, cancellationToken);
        InputFile.CheckWeights(path);
        using var file = WeightsFile.Open(path);
        if (tensor is null && QuantizedReport.Find(file) is not null) return ReadQuantized(path, definition, prefix ?? QuantizedReport.FindPrefix(file), options);
        if (tensor is not null || SoftmaxSources.FindAll(file).Count == 0)
        {
            DenseHead? head = null;
            if (tensor is not null) head = DenseHead.Find(file, tensor);
            else if (!DenseHead.TryFind(file, out head)) throw new ToolException($"{Excerpt.Line(path)} holds no softmax that is known by its names: none of its {file.Tensors.Count} tensors is of an adaptive softmax or named lm_head.weight. adaptive-softmax inspect lists them; name a full softmax's matrix with --tensor.");
            return new EvaluatedWeights(path, path, ReadDense(file, head, spec, definition, options, console, cancellationToken), definition.Table);
        }

        return new EvaluatedWeights(path, path, ReadAdaptive(file, path, spec, definition, prefix, options, console), definition.Table);
    }

    /// <summary>Reads the adaptive softmax of a file.</summary>
    /// <exception cref="ToolException">The file does not fit the spec, or holds another library's softmax.</exception>
    public static DynamicAdaptiveSoftmax ReadAdaptive(WeightsFile file, string path, string spec, SoftmaxDefinition definition, string? prefix, AdaptiveSoftmaxOptions options, ToolConsole console)
    {
        var source = SoftmaxSources.Choose(file, from: null, prefix);
        if (source is not PyTorchSource)
            throw new ToolException($"{Excerpt.Line(path)} holds {source.Description}; turn it into this project's layout first, with adaptive-softmax convert.");
        var differences = FileIdentity.Compare(FileIdentity.Find(file), source.Check(new ConvertOptions()), definition);
        if (differences.Count > 0) throw new ToolException($"{Excerpt.Line(path)} does not fit {Excerpt.Line(spec)}: {string.Join("; ", differences)}. Give the spec that the weights were trained with.");
        if (FileIdentity.Find(file) is null) console.WriteNote($"{Excerpt.Line(path)} does not say which vocabulary its classes are; they are taken as the slots of {Excerpt.Line(spec)}.");
        try
        {
            return DynamicAdaptiveSoftmax.Load(path, definition, options, acceptUnmarked: true, source.Tensors.Prefix);
        }
        catch (CheckpointMismatchException exception)
        {
            throw new ToolException(exception.Message);
        }
    }

    private static EvaluatedWeights ReadQuantized(string path, SoftmaxDefinition definition, string prefix, AdaptiveSoftmaxOptions options)
    {
        try
        {
            return new EvaluatedWeights(path, path, DynamicAdaptiveSoftmax.LoadQuantized(path, definition, MemoryMapping.Off, options, acceptUnmarked: true, prefix), definition.Table);
        }
        catch (CheckpointMismatchException exception)
        {
            throw new ToolException(exception.Message);
        }
    }

    // A layer without tails whose slots are those of the table, whatever cutoffs the spec has.
    private static DynamicAdaptiveSoftmax ReadDense(WeightsFile file, DenseHead head, string spec, SoftmaxDefinition definition, AdaptiveSoftmaxOptions options, ToolConsole console, CancellationToken cancellationToken)
    {
        var (table, layout) = (definition.Table, definition.Layout);
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(head.HiddenSize, table.Count, head.Bias is not null, layout.LogitScale, layout.LogitSoftCap), options: options);
        try
        {
            layer.RestoreHead(file, head, table.GetId, cancellationToken);
            var unused = head.Rows - table.Count;
            if (unused > 0) console.WriteNote(FormattableString.Invariant($"{Excerpt.Line(file.FileName)}: {unused} rows of '{Excerpt.Name(head.Weight.Name)}' are no token of {Excerpt.Line(spec)}, and count as if their probability were 0."));
            return layer;
        }
        catch (CheckpointMismatchException exception)
        {
            layer.Dispose();
            throw new ToolException(exception.Message);
        }
        catch
        {
            layer.Dispose();
            throw;
        }
    }

    /// <summary>A copy with smaller weights.</summary>
    public EvaluatedWeights Quantize(string kind)
    {
        if (Softmax is not AdaptiveSoftmaxLayer layer) throw new ToolException($"{Excerpt.Line(File)} is quantised already, so --quantize has nothing to make a copy of; give the file of the layer that it was made of.");
        var precision = WeightPrecisions.TryParse(kind, out var parsed) ? parsed : default;
        try
        {
            SoftmaxDecoder copy = kind == "certified" ? layer.Certify() : layer.Quantize(new QuantizationOptions { Head = precision, Tails = precision });
            return this with { Name = $"{Name} ({kind})", Softmax = copy };
        }
        catch (DecodeException exception)
        {
            throw new ToolException($"{Excerpt.Line(File)}: {exception.Message}");
        }
    }

    public void Dispose() => Softmax.Dispose();
}
