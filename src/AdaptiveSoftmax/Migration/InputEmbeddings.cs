using System.Text.RegularExpressions;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Adaptive input embeddings with tables of their own (<c>AdaptiveInput</c> in TorchSharp, fairseq's names): a row a slot, cut
/// into bands as the softmax is into clusters. They are not migrated, and must not be copied as if they were.
/// </summary>
internal static partial class InputEmbeddings
{
    /// <summary>Refuses a file with such tables where slots change.</summary>
    /// <exception cref="ArgumentException">There are some; the message names them.</exception>
    public static void Refuse(WeightsFile file, TokenMap map)
    {
        if (map.From.Tails.Select(tail => tail.Start).SequenceEqual(map.To.Tails.Select(tail => tail.Start)) && map.Sources.SequenceEqual(Enumerable.Range(0, map.From.VocabularySize))) return;
        string[] tables = [.. file.Tensors.Where(tensor => IsTable(tensor, map.From)).Select(tensor => tensor.Name)];
        if (tables.Length == 0) return;
        throw new ArgumentException(
            $"{file.FileName} holds input embeddings with a row for each slot ({string.Join(", ", tables.Take(4).Select(Excerpt.Name))}), whose slots change and which are not migrated; share them with the softmax, which migrates, or take them out of the file and embed by token id.");
    }

    private static bool IsTable(WeightsTensor tensor, SoftmaxLayout layout) =>
        TableName().Match(tensor.Name) is { Success: true } match
        && int.TryParse(match.Groups[1].ValueSpan, out var band) && band <= layout.TailCount
        && tensor.Shape.Count == 2 && tensor.Shape[0] == (band == 0 ? layout.ShortlistSize : layout.Tails[band - 1].Size);

    [GeneratedRegex(@"(?:^|\.)embeddings\.([0-9]{1,4})\.0\.weight$", RegexOptions.CultureInvariant)]
    private static partial Regex TableName();
}
