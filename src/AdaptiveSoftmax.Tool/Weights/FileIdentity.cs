using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>The fingerprint that a file carries, and its comparison with a spec's.</summary>
internal static class FileIdentity
{
    /// <summary>The mark of a file that this project saved; null where it does not say which vocabulary.</summary>
    /// <exception cref="ToolException">It is of a later version.</exception>
    public static IdentityMetadata? Find(WeightsFile file)
    {
        if (!file.Metadata.TryGetValue(IdentityMetadata.Key, out var json)) return null;
        try
        {
            return IdentityMetadata.Parse(file, json) is { IsMarked: true } mark ? mark : null;
        }
        catch (CheckpointMismatchException exception)
        {
            throw new ToolException(exception.Message);
        }
    }

    /// <summary>How a softmax in a file differs from a spec: in its sizes, or in the vocabulary that the file is marked with.</summary>
    public static IReadOnlyList<string> Compare(IdentityMetadata? mark, SoftmaxLayout layout, SoftmaxDefinition definition)
    {
        const string Where = "the spec";
        var expected = IdentityMetadata.From(SpecFile.Identify(definition));
        var sizes = IdentityMetadata.From(SpecFile.Identify(definition) with { Layout = layout }).Compare(expected, Where);
        return sizes.Count > 0 || mark is null ? sizes : mark.Compare(expected, Where);
    }

    /// <summary>Sizes in one line.</summary>
    public static string Describe(SoftmaxLayout layout)
    {
        var clusters = layout.TailCount == 0
            ? "full"
            : FormattableString.Invariant($"cutoffs {string.Join(", ", layout.Tails.Select(tail => tail.Start))}, projections {string.Join(", ", layout.Tails.Select(tail => tail.ProjectionWidth))}");
        return FormattableString.Invariant($"hidden size {layout.HiddenSize}, vocabulary {layout.VocabularySize}, {clusters}, {(layout.HasHeadBias ? "a" : "no")} head bias");
    }
}
