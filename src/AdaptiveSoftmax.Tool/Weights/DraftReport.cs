using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>What a file says of a draft's vocabulary.</summary>
internal static class DraftReport
{
    /// <summary>Describes the maps of a draft, where there are any.</summary>
    /// <param name="output">Where to write.</param>
    /// <param name="file">The file.</param>
    /// <returns>Whether they name the vocabulary that they belong to.</returns>
    public static bool Write(TextWriter output, WeightsFile file)
    {
        if (!file.TryGetTensor(DraftVocabulary.ToTarget, out _) || !file.TryGetTensor(DraftVocabulary.FromTarget, out _)) return false;
        try
        {
            var draft = DraftVocabulary.Read(file);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Draft vocabulary: {draft.Count:n0} tokens of a target with {draft.TargetSize:n0} rows."));
            if (draft.Fingerprint.Length == 0) return false;
            output.WriteLine($"Fingerprint: of the vocabulary {Excerpt.Name(draft.Fingerprint)}, by ids and tokens alone {Excerpt.Name(draft.FingerprintById)}.");
            return true;
        }
        catch (Exception exception) when (exception is WeightsFormatException or CheckpointMismatchException)
        {
            output.WriteLine($"Draft vocabulary: {exception.Message}");
            return false;
        }
    }
}
