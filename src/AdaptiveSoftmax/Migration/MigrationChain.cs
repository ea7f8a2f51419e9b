using System.Text.Json;

namespace AdaptiveSoftmax;

/// <summary>One migration that weights went through.</summary>
/// <param name="Job">What was done: <c>migrate</c>, <c>extend</c> or <c>adopt</c>.</param>
/// <param name="From">The fingerprint before; empty for a dense head.</param>
/// <param name="FromVocabulary">The fingerprint of the vocabulary before; empty for a dense head.</param>
/// <param name="To">The fingerprint after.</param>
/// <param name="ToVocabulary">The fingerprint of the vocabulary after.</param>
/// <param name="PolishSteps">The steps of polishing.</param>
public sealed record MigrationStep(string Job, string From, string FromVocabulary, string To, string ToVocabulary, int PolishSteps);

/// <summary>The migrations that weights went through, in a file's metadata, the first one first.</summary>
internal static class MigrationChain
{
    public const string Key = "adaptive_softmax_migrations";

    /// <summary>Reads the chain of a file; empty where there is none.</summary>
    public static IReadOnlyList<MigrationStep> Read(WeightsFile file)
    {
        if (!file.Metadata.TryGetValue(Key, out var json)) return [];
        try
        {
            using var document = JsonDocument.Parse(json);
            return [.. document.RootElement.GetProperty("steps").EnumerateArray().Select(ReadStep)];
        }
        catch (Exception exception) when (MetadataJson.IsFault(exception))
        {
            throw MetadataJson.Fault(file, Key, exception);
        }
    }

    /// <summary>One line of JSON.</summary>
    public static string Write(IEnumerable<MigrationStep> steps) => MetadataJson.Write(json =>
    {
        json.WriteStartArray("steps");
        foreach (var step in steps)
        {
            json.WriteStartObject();
            json.WriteString("job", step.Job);
            json.WriteString("from", step.From);
            json.WriteString("from_vocabulary", step.FromVocabulary);
            json.WriteString("to", step.To);
            json.WriteString("to_vocabulary", step.ToVocabulary);
            json.WriteNumber("polish_steps", step.PolishSteps);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static MigrationStep ReadStep(JsonElement step) => new(
        step.GetProperty("job").GetString() ?? "",
        step.GetProperty("from").GetString() ?? "",
        step.GetProperty("from_vocabulary").GetString() ?? "",
        step.GetProperty("to").GetString() ?? "",
        step.GetProperty("to_vocabulary").GetString() ?? "",
        step.GetProperty("polish_steps").GetInt32());
}
