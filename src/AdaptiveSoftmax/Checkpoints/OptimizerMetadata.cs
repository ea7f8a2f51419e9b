using System.Text.Json;

namespace AdaptiveSoftmax;

/// <summary>An optimizer without its state tensors, in a file's metadata.</summary>
internal sealed record OptimizerMetadata(
    string Kind,
    IReadOnlyDictionary<string, double> Settings,
    long StepCount,
    IReadOnlyDictionary<string, long> ParameterSteps,
    IReadOnlyList<GroupMetadata> Groups)
{
    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static OptimizerMetadata Parse(JsonElement element) => new(
        element.GetProperty("kind").GetString() ?? "",
        element.GetProperty("settings").EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetDouble()),
        element.GetProperty("step_count").GetInt64(),
        element.GetProperty("parameter_steps").EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetInt64()),
        [.. element.GetProperty("groups").EnumerateArray().Select(GroupMetadata.Parse)]);

    /// <summary>Writes an object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("kind", Kind);
        json.WriteStartObject("settings");
        foreach (var (name, value) in Settings) json.WriteNumber(name, value);
        json.WriteEndObject();
        json.WriteNumber("step_count", StepCount);
        json.WriteStartObject("parameter_steps");
        foreach (var (name, steps) in ParameterSteps) json.WriteNumber(name, steps);
        json.WriteEndObject();
        json.WriteStartArray("groups");
        foreach (var group in Groups) group.Write(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}

/// <summary>A parameter group, in a file's metadata.</summary>
internal sealed record GroupMetadata(IReadOnlyList<string> Parameters, double LearningRateFactor, double? WeightDecay)
{
    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static GroupMetadata Parse(JsonElement element) => new(
        [.. element.GetProperty("parameters").EnumerateArray().Select(name => name.GetString() ?? "")],
        element.GetProperty("lr_factor").GetDouble(),
        element.TryGetProperty(Optimizer.WeightDecaySetting, out var decay) ? decay.GetDouble() : null);

    /// <summary>Writes an object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("parameters");
        foreach (var name in Parameters) json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteNumber("lr_factor", LearningRateFactor);
        if (WeightDecay is { } decay) json.WriteNumber(Optimizer.WeightDecaySetting, decay);
        json.WriteEndObject();
    }
}
