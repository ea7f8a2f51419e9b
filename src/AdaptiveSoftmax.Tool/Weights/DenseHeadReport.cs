using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>What <c>inspect</c> says of a dense head.</summary>
internal static class DenseHeadReport
{
    /// <summary>Describes the dense head of a file, if there is one, and whether it fits a spec.</summary>
    /// <param name="output">Receives the lines.</param>
    /// <param name="file">The file.</param>
    /// <param name="hasAdaptive">Whether the file has an adaptive softmax, whose spec it then is.</param>
    /// <param name="spec">The spec's name.</param>
    /// <param name="definition">The spec; null where there is none to compare with.</param>
    /// <returns>Whether it fits the spec.</returns>
    public static bool Write(TextWriter output, WeightsFile file, bool hasAdaptive, string? spec, SoftmaxDefinition? definition)
    {
        DenseHead? head;
        try
        {
            // The embeddings of a model with an adaptive softmax are no output layer.
            if (!DenseHead.TryFind(file, out head) || (hasAdaptive && head.IsTied)) return false;
        }
        catch (WeightsFormatException exception)
        {
            output.WriteLine($"Dense head: {exception.Message}");
            return false;
        }

        var kind = head.IsTied ? "tied to the embeddings, since there is no output layer of its own" : "untied";
        output.WriteLine(FormattableString.Invariant($"Dense head: '{Excerpt.Name(head.Weight.Name)}', {kind}; {head.Rows} rows of {head.HiddenSize}, {head.Weight.Type}, {(head.Bias is null ? "no bias" : $"bias '{Excerpt.Name(head.Bias.Name)}'")}, prefix '{Excerpt.Name(head.Prefix)}'"));
        if (definition is null)
        {
            output.WriteLine(FormattableString.Invariant($"  Its spec: \"softmax\": \"full\", \"hiddenSize\": {head.HiddenSize}{(head.Bias is null ? "" : ", \"headBias\": true")}{string.Concat(DenseHeadReader.SpecOf(head).Select(member => $", {member}"))}, and the vocabulary of its tokenizer."));
            return false;
        }

        if (hasAdaptive && definition.Layout.TailCount > 0) return false;
        try
        {
            _ = new DenseHeadReader(file, head, definition.Layout, definition.Table.GetId);
        }
        catch (CheckpointMismatchException exception)
        {
            output.WriteLine($"  Does not fit {Excerpt.Line(spec!)}: {string.Join("; ", exception.Differences)}. {exception.Remedy}");
            return false;
        }

        var unused = head.Rows - definition.Layout.VocabularySize;
        output.WriteLine(FormattableString.Invariant($"  Fits {Excerpt.Line(spec!)}: a row for each of its {definition.Layout.VocabularySize} tokens; {(unused == 0 ? "no row is left over" : FormattableString.Invariant($"{unused} rows more are no token's and are never chosen"))}."));
        return true;
    }
}
