using System.Text.Json;

namespace AdaptiveSoftmax;

/// <summary>The step of a run and its optimizers, without the state tensors, in a file's metadata.</summary>
internal sealed record TrainingMetadata(long Step, IReadOnlyList<OptimizerMetadata> Optimizers)
{
    /// <summary>The key in the file's metadata.</summary>
    public const string Key = "training";

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static TrainingMetadata Parse(WeightsFile file, string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            return new TrainingMetadata(root.GetProperty("step").GetInt64(), [.. root.GetProperty("optimizers").EnumerateArray().Select(OptimizerMetadata.Parse)]);
        }
        catch (Exception exception) when (MetadataJson.IsFault(exception))
        {
            throw MetadataJson.Fault(file, Key, exception);
        }
    }

    /// <summary>One line of JSON. Numbers are written so that they come back to the same bits.</summary>
    public string ToJson() => MetadataJson.Write(json =>
    {
        json.WriteNumber("step", Step);
        json.WriteStartArray("optimizers");
        foreach (var optimizer in Optimizers) optimizer.Write(json);
        json.WriteEndArray();
    });
}
