using System.Text.Json;

namespace AdaptiveSoftmax;

/// <summary>The step of a run and its optimizer, without the state tensors, in a file's metadata.</summary>
internal sealed record TrainingMetadata(long Step, OptimizerMetadata? Optimizer)
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
            var optimizer = root.TryGetProperty("optimizer", out var element) ? ParseOptimizer(element) : null;
            return new TrainingMetadata(root.GetProperty("step").GetInt64(), optimizer);
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
        if (Optimizer is null) return;
        json.WriteStartObject("optimizer");
        json.WriteString("kind", Optimizer.Kind);
        json.WriteStartObject("settings");
        foreach (var (name, value) in Optimizer.Settings) json.WriteNumber(name, value);
        json.WriteEndObject();
        json.WriteNumber("step_count", Optimizer.StepCount);
        json.WriteStartObject("parameter_steps");
        foreach (var (name, steps) in Optimizer.ParameterSteps) json.WriteNumber(name, steps);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private static OptimizerMetadata ParseOptimizer(JsonElement element) => new(
        element.GetProperty("kind").GetString() ?? "",
        element.GetProperty("settings").EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetDouble()),
        element.GetProperty("step_count").GetInt64(),
        element.GetProperty("parameter_steps").EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetInt64()));
}

/// <summary>An optimizer without its state tensors.</summary>
internal sealed record OptimizerMetadata(
    string Kind,
    IReadOnlyDictionary<string, double> Settings,
    long StepCount,
    IReadOnlyDictionary<string, long> ParameterSteps);
