using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Reads the special tokens of a rank file from JSON: an object of names with their ids, the <c>added_tokens_decoder</c> of a
/// <c>tokenizer_config.json</c>, or the <c>added_tokens</c> of a <c>tokenizer.json</c>.
/// </summary>
public static class SpecialTokenList
{
    /// <summary>Reads special tokens.</summary>
    /// <param name="path">The name of the file, for errors.</param>
    /// <param name="json">The whole text of the file.</param>
    /// <exception cref="CorpusException">The text is something else.</exception>
    public static IReadOnlyDictionary<string, int> Read(string path, string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var (name, id) in Find(document.RootElement))
            {
                if (!tokens.TryAdd(name, id)) throw new CorpusException($"{Excerpt.Line(path)} has the token {Excerpt.Quote(name)} twice; give it once.");
            }

            return tokens.Count > 0 ? tokens : throw new CorpusException($"{Excerpt.Line(path)} has no special tokens; give an object of names with their ids, such as {{\"<|endoftext|>\": 100257}}.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new CorpusException($"{Excerpt.Line(path)} does not hold special tokens: {exception.Message} Give an object of names with their ids, such as {{\"<|endoftext|>\": 100257}}.", exception);
        }
    }

    private static IEnumerable<(string Name, int Id)> Find(JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("added_tokens_decoder", out var decoder))
            return decoder.EnumerateObject().Select(token => (token.Value.GetProperty("content").GetString()!, int.Parse(token.Name, NumberStyles.None, CultureInfo.InvariantCulture)));
        if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("added_tokens", out var added)) root = added;
        return root.ValueKind == JsonValueKind.Array
            ? root.EnumerateArray().Select(token => (token.GetProperty("content").GetString()!, token.GetProperty("id").GetInt32()))
            : root.EnumerateObject().Select(token => (token.Name, token.Value.GetInt32()));
    }
}
