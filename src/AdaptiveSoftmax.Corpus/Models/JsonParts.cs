using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads the parts of a <c>tokenizer.json</c>, and refuses by name what it says that is not known here.</summary>
internal static class JsonParts
{
    /// <summary>The types of a part: of a sequence those of its parts, none of null.</summary>
    public static IEnumerable<JsonElement> Flatten(JsonElement part, string list)
    {
        if (part.ValueKind != JsonValueKind.Object) return [];
        return TypeOf(part) == "Sequence" ? part.GetProperty(list).EnumerateArray().SelectMany(inner => Flatten(inner, list)) : [part];
    }

    public static string TypeOf(JsonElement part) => part.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString()! : "";

    public static bool IsTrue(JsonElement part, string name, bool otherwise = false) =>
        part.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : otherwise;

    public static string? TextOf(JsonElement part, string name) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <exception cref="FormatException">The array is too short.</exception>
    public static JsonElement ItemAt(JsonElement array, int index) =>
        index < array.GetArrayLength() ? array[index] : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"An array of {array.GetArrayLength()} items stands where more are needed."));

    /// <exception cref="FormatException">There is none.</exception>
    public static string TextOf(JsonElement value) => value.GetString() ?? throw new FormatException("A text is null.");

    public static CorpusException Unknown(string what, string name) =>
        new($"{what} {Excerpt.Quote(name)} of the tokenizer is not known here, and nothing is counted with a guess. Encode the text with the tokenizer's own library, and count the ids with `adaptive-softmax count import`.");
}
