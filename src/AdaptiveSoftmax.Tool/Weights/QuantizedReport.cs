using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>What a file says of its small weights, and whether it holds what it says.</summary>
internal static class QuantizedReport
{
    private const string Head = "head.weight";

    /// <summary>What a file says of its small weights; null where it has none.</summary>
    /// <exception cref="ToolException">A later release wrote it.</exception>
    public static QuantizedMetadata? Find(WeightsFile file)
    {
        try
        {
            return QuantizedMetadata.Find(file);
        }
        catch (CheckpointMismatchException exception)
        {
            throw new ToolException(exception.Message);
        }
    }

    /// <summary>What stands before the names of the small weights.</summary>
    public static string FindPrefix(WeightsFile file) =>
        file.Tensors.Select(tensor => tensor.Name).FirstOrDefault(name => name == Head || name.EndsWith($".{Head}", StringComparison.Ordinal)) is { } found ? found[..^Head.Length] : "";

    /// <summary>Describes small weights, and compares their bytes with the checksums and their softmax with a spec.</summary>
    /// <param name="output">Where to write.</param>
    /// <param name="file">The file.</param>
    /// <param name="quantized">What it says of its weights.</param>
    /// <param name="spec">The spec's path; null for none.</param>
    /// <param name="definition">The spec.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether the weights are whole, and fit the spec if there is one.</returns>
    public static bool Write(TextWriter output, WeightsFile file, QuantizedMetadata quantized, string? spec, SoftmaxDefinition? definition, CancellationToken cancellationToken)
    {
        var prefix = FindPrefix(file);
        output.WriteLine();
        output.WriteLine($"Quantised softmax: prefix '{Excerpt.Name(prefix)}', head {quantized.Precision.Head.GetName()}{string.Concat(quantized.Precision.TailOverrides.Select((tail, i) => FormattableString.Invariant($", tail {i} {tail.GetName()}")))}");
        if (quantized.Screens is { } screens)
            output.WriteLine($"  Copies for certified decoding: head {string.Join(" and ", screens.Head.Select(screen => screen.GetName()))}{(quantized.Precision.TailOverrides.Count > 0 ? ", tails int8" : "")}");
        if (!file.Metadata.TryGetValue(IdentityMetadata.Key, out var json))
        {
            output.WriteLine($"  The metadata has no {IdentityMetadata.Key}, which says its sizes; save it again.");
            return false;
        }

        var mark = IdentityMetadata.Parse(file, json);
        try
        {
            var layout = mark.Cutoffs.Length == 0
                ? SoftmaxLayout.CreateFull(mark.HiddenSize, mark.VocabularySize, mark.HasHeadBias, mark.LogitScale, mark.LogitSoftCap)
                : SoftmaxLayout.Create(mark.HiddenSize, mark.VocabularySize, mark.Cutoffs, mark.Projections, mark.HasHeadBias);
            output.WriteLine($"  {FileIdentity.Describe(layout)}");
            using var restore = new QuantizedRestore(file, new SoftmaxIdentity(layout, mark.Fingerprint, mark.VocabularyFingerprint)) { AcceptUnmarked = true, Prefix = prefix };
            restore.Check();
            var damaged = restore.FindDamaged(cancellationToken);
            output.WriteLine(damaged.Count == 0
                ? "  All bytes have their checksums."
                : $"  Damaged, by their checksums: {Excerpt.List(damaged, damaged.Count, name => $"'{Excerpt.Name(name)}'")}. Copy or save the file again.");
            if (damaged.Count > 0) return false;
            if (definition is null) return true;
            var differences = FileIdentity.Compare(mark.IsMarked ? mark : null, layout, definition);
            output.WriteLine(differences.Count > 0
                ? $"  Does not fit {Excerpt.Line(spec!)}: {string.Join("; ", differences)}."
                : mark.IsMarked ? $"  Fits {Excerpt.Line(spec!)}, of the same fingerprint." : $"  Has the sizes of {Excerpt.Line(spec!)}; nothing says whether its classes are that vocabulary's.");
            return differences.Count == 0;
        }
        catch (Exception exception) when (exception is CheckpointMismatchException or ArgumentException)
        {
            output.WriteLine($"  {exception.Message}");
            return false;
        }
    }
}
