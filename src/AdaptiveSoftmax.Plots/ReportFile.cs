using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Plots;

/// <summary>Reads the charts of a report.</summary>
internal static class ReportFile
{
    private const string Generator = "adaptive-softmax";

    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web);

    /// <exception cref="FormatException">It is none.</exception>
    public static IReadOnlyList<Chart> Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(RegularFile.ReadText(path));
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("generator", out var generator) || generator.ValueKind != JsonValueKind.String || generator.GetString() != Generator || !root.TryGetProperty("sections", out var sections))
                throw Fault(path, "It is JSON, and no report.");
            return [.. sections.EnumerateArray().Select(section => Read(path, section)).OfType<Chart>()];
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw Fault(path, Excerpt.Message(exception.Message));
        }
    }

    private static Chart? Read(string path, JsonElement section) => section.GetProperty("kind").GetString() switch
    {
        "bars" => section.Deserialize<BarChart>(s_options),
        "lines" => section.Deserialize<LineChart>(s_options),
        "table" => null,
        var kind => throw Fault(path, $"It has a section of the kind {Excerpt.Quote(kind ?? "")}, which this version does not draw."),
    };

    private static FormatException Fault(string path, string what) =>
        new($"{Excerpt.Line(path)}: {what} Give what adaptive-softmax writes for --report FILE.json.");
}
