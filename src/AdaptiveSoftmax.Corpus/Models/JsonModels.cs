using System.Globalization;
using System.Text.Json;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The models of a <c>tokenizer.json</c>: from words to ids.</summary>
internal static class JsonModels
{
    private const char Mark = '\u2581';

    /// <summary>What makes an encoder of words for each thread.</summary>
    public static Func<IWordModel> Read(JsonElement model, Dictionary<string, int> ids)
    {
        switch (TypeOf(model))
        {
            case "BPE":
                var (options, merges) = ReadPairs(model, ids);
                return () => new PairEncoder(options, merges);
            case "WordPiece":
                var unknown = Unknown(model, ids);
                var longest = model.TryGetProperty("max_input_chars_per_word", out var most) ? most.GetInt32() : 100;
                var prefix = JsonParts.TextOf(model, "continuing_subword_prefix") ?? "##";
                return () => new WordPieceEncoder(ids, unknown, prefix, longest);
            case "Unigram":
                var pieces = ReadUnigram(model, ids);
                return () => new UnigramEncoder(pieces);
            case "WordLevel":
                var missing = Unknown(model, ids);
                return () => new WordLevelEncoder(ids, missing);
            case var other:
                throw JsonParts.Unknown("The model", other);
        }
    }

    /// <summary>Whether a token has a mark of a space, or a line end, behind something else, and so may join two words.</summary>
    public static bool JoinsAcrossWords(IEnumerable<string> tokens) => tokens.Any(token =>
    {
        for (var i = 1; i < token.Length; i++)
        {
            if (token[i] is Mark or '\n' or ' ' && token[i] != token[i - 1]) return true;
        }

        return false;
    });

    /// <summary>Cuts before each mark of a space that stands behind something else.</summary>
    public static IEnumerable<string> CutBeforeMarks(string text)
    {
        var start = 0;
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] != Mark || text[i - 1] == Mark) continue;
            yield return text[start..i];
            start = i;
        }

        yield return start == 0 ? text : text[start..];
    }

    /// <summary>The ids of the tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>; null where one is missing.</summary>
    public static int[]? FindBytes(Dictionary<string, int> ids)
    {
        var found = new int[256];
        for (var value = 0; value < found.Length; value++)
        {
            if (!ids.TryGetValue(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"), out found[value])) return null;
        }

        return found;
    }

    // Older files do not name the type.
    private static string TypeOf(JsonElement model)
    {
        var type = JsonParts.TypeOf(model);
        return type.Length == 0 && model.TryGetProperty("merges", out _) ? "BPE" : type;
    }

    private static int Unknown(JsonElement model, Dictionary<string, int> ids) =>
        JsonParts.TextOf(model, "unk_token") is { } name && ids.TryGetValue(name, out var id) ? id : throw new CorpusException("The tokenizer names no unknown token that it has; mend \"unk_token\".");

    private static (PairOptions, PairMerges) ReadPairs(JsonElement model, Dictionary<string, int> ids)
    {
        if (model.TryGetProperty("dropout", out var dropout) && dropout.ValueKind == JsonValueKind.Number && dropout.GetDouble() > 0)
            throw JsonParts.Unknown("The dropout", dropout.ToString());
        var byteIds = JsonParts.IsTrue(model, "byte_fallback") ? FindBytes(ids) : null;
        var options = new PairOptions(ids)
        {
            UnknownId = JsonParts.TextOf(model, "unk_token") is { } unknown && ids.TryGetValue(unknown, out var id) ? id : -1,
            FusesUnknown = JsonParts.IsTrue(model, "fuse_unk"),
            TakesWholeWords = JsonParts.IsTrue(model, "ignore_merges"),
            ByteIds = byteIds,
            Prefix = JsonParts.TextOf(model, "continuing_subword_prefix") ?? "",
            Suffix = JsonParts.TextOf(model, "end_of_word_suffix") ?? "",
        };
        var merges = new PairMerges();
        var rank = 0;
        foreach (var merge in model.GetProperty("merges").EnumerateArray())
        {
            var (first, second) = ReadPair(merge);
            var joined = first + (second.StartsWith(options.Prefix, StringComparison.Ordinal) ? second[options.Prefix.Length..] : second);
            if (!ids.TryGetValue(first, out var a) || !ids.TryGetValue(second, out var b) || !ids.TryGetValue(joined, out var c))
                throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"Merge {rank} joins tokens to one that is not in the vocabulary; fetch the file anew."));
            merges.Add(a, b, rank++, c);
        }

        return (options, merges);
    }

    private static (string First, string Second) ReadPair(JsonElement merge)
    {
        if (merge.ValueKind == JsonValueKind.Array) return (JsonParts.TextOf(JsonParts.ItemAt(merge, 0)), JsonParts.TextOf(JsonParts.ItemAt(merge, 1)));
        var text = JsonParts.TextOf(merge);
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 ? (text[..space], text[(space + 1)..]) : throw new CorpusException("A merge has no space between its two tokens; fetch the file anew.");
    }

    private static UnigramPieces ReadUnigram(JsonElement model, Dictionary<string, int> ids)
    {
        var unknown = model.TryGetProperty("unk_id", out var id) && id.ValueKind == JsonValueKind.Number ? id.GetInt32() : throw new CorpusException("The tokenizer names no unknown token; mend \"unk_id\".");
        var pieces = model.GetProperty("vocab").EnumerateArray().Select((piece, number) => (JsonParts.TextOf(JsonParts.ItemAt(piece, 0)), number, JsonParts.ItemAt(piece, 1).GetDouble())).ToList();
        if (unknown < 0 || unknown >= pieces.Count) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The tokenizer's unknown token has the id {unknown}, and there are {pieces.Count} tokens; mend \"unk_id\"."));
        return new UnigramPieces(pieces, unknown, JsonParts.IsTrue(model, "byte_fallback") ? FindBytes(ids) : null);
    }
}
