using System.Globalization;
using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Reads the <c>tokenizer.json</c> of Hugging Face's tokenizers: byte pairs, word pieces, unigrams, words. Whatever of it is
/// not known here is refused by its name.
/// </summary>
internal static class TokenizerJson
{
    private const int MaximumId = (1 << 24) - 1;

    /// <exception cref="CorpusException">The file is something else, or says what is not known here.</exception>
    public static TextModel Read(string path, string json, string? endOfText)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Read(path, document.RootElement, endOfText);
        }
        catch (JsonException exception)
        {
            throw new CorpusException($"{Excerpt.Line(path)} is not JSON: {exception.Message} Fetch the file anew.", exception);
        }
        catch (KeyNotFoundException exception)
        {
            throw new CorpusException($"{Excerpt.Line(path)} is no tokenizer.json as the tokenizers library writes it: a member is missing. It has \"model\" with its vocabulary, \"normalizer\" and \"pre_tokenizer\", which may be null; save it anew with that library.", exception);
        }
        catch (Exception exception) when (exception is InvalidOperationException or FormatException or InvalidDataException)
        {
            throw new CorpusException($"{Excerpt.Line(path)} is no tokenizer.json as the tokenizers library writes it: {exception.Message} Save it anew with that library.", exception);
        }
        catch (CorpusException exception) when (!exception.Message.StartsWith(Excerpt.Line(path), StringComparison.Ordinal))
        {
            throw new CorpusException($"{Excerpt.Line(path)}: {exception.Message}", exception);
        }
    }

    private static PipelineModel Read(string path, JsonElement root, string? endOfText)
    {
        var model = root.GetProperty("model");
        var splits = root.GetProperty("pre_tokenizer");
        var isByteLevel = JsonParts.Flatten(splits, "pretokenizers").Any(part => JsonParts.TypeOf(part) == "ByteLevel");
        var ids = ReadVocabulary(model);
        var added = root.TryGetProperty("added_tokens", out var listed) ? listed.EnumerateArray().Select(ReadAdded).ToList() : [];
        var vocabulary = CreateVocabulary(path, ids, added.ConvertAll(token => token.Token), isByteLevel, endOfText);
        var joins = JsonModels.JoinsAcrossWords(ids.Keys);
        var pipeline = new TextPipeline(JsonModels.Read(model, ids))
        {
            Written = new WrittenTokens(added.Where(token => !token.IsNormalized).Select(token => token.Token)),
            WrittenNormally = new WrittenTokens(added.Where(token => token.IsNormalized).Select(token => token.Token)),
            Normalizers = [.. JsonNormalizers.Read(root.GetProperty("normalizer"))],
            Splits = [.. JsonSplits.Read(splits)],
        };
        var border = JsonSplits.EndsAtLines(splits) ? TextBorder.Lines : !isByteLevel && !joins ? TextBorder.Words : TextBorder.None;

        // Where the file does not say what a word is, it is all the same what comes between two that no token joins.
        if (border == TextBorder.Words) pipeline = pipeline with { Splits = [.. pipeline.Splits, static (text, _) => JsonModels.CutBeforeMarks(text)] };
        return new PipelineModel(vocabulary, pipeline, border, $"{JsonParts.TypeOf(model)} of tokenizer.json");
    }

    private static (WrittenToken Token, bool IsNormalized) ReadAdded(JsonElement token)
    {
        if (JsonParts.IsTrue(token, "single_word")) throw JsonParts.Unknown("single_word in the added token", JsonParts.TextOf(token, "content") ?? "");
        var text = JsonParts.TextOf(token, "content") is { Length: > 0 } content ? content : throw new FormatException("An added token has no \"content\".");
        var written = new WrittenToken(text, token.GetProperty("id").GetInt32(), JsonParts.IsTrue(token, "lstrip"), JsonParts.IsTrue(token, "rstrip"));
        return (written, JsonParts.IsTrue(token, "normalized"));
    }

    private static Dictionary<string, int> ReadVocabulary(JsonElement model)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var vocabulary = model.GetProperty("vocab");
        if (vocabulary.ValueKind == JsonValueKind.Array)
        {
            foreach (var piece in vocabulary.EnumerateArray())
            {
                var text = JsonParts.TextOf(JsonParts.ItemAt(piece, 0));
                if (!ids.TryAdd(text, ids.Count)) throw new CorpusException($"The piece {Excerpt.Quote(text)} is there twice; fetch the file anew.");
            }

            return ids;
        }

        foreach (var token in vocabulary.EnumerateObject())
        {
            var id = token.Value.GetInt32();
            if (id is < 0 or > MaximumId) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The token {Excerpt.Quote(token.Name)} has the id {id}; ids are from 0 to {MaximumId}."));
            ids[token.Name] = id;
        }

        return ids;
    }

    // Bytes of byte-level tokens are the bytes of text that they stand for; other tokens are written as they are named.
    private static EncodedVocabulary CreateVocabulary(string path, Dictionary<string, int> ids, List<WrittenToken> added, bool isByteLevel, string? endOfText)
    {
        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var token in added)
        {
            if (token.Id is < 0 or > MaximumId) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The token {Excerpt.Quote(token.Text)} has the id {token.Id}; ids are from 0 to {MaximumId}."));
            special[token.Text] = token.Id;
        }

        var taken = special.Values.ToHashSet();
        var ordinary = new List<byte[]?>();
        foreach (var (text, id) in ids)
        {
            if (taken.Contains(id)) continue;
            while (ordinary.Count <= id) ordinary.Add(null);
            ordinary[id] = isByteLevel ? ToBytes(text) : Encoding.UTF8.GetBytes(text);
        }

        if (endOfText is not null && !special.ContainsKey(endOfText))
        {
            if (!ids.TryGetValue(endOfText, out var end)) throw new CorpusException($"{Excerpt.Line(path)} has no token {Excerpt.Quote(endOfText)} to end documents; give one that it has.");
            special[endOfText] = end;
            if (end < ordinary.Count) ordinary[end] = null;
        }

        CheckDistinct(ordinary);
        return EncodedVocabulary.Create(Path.GetFileNameWithoutExtension(path), ordinary, special, endOfText ?? EncodedVocabulary.EndOfText);
    }

    private static void CheckDistinct(List<byte[]?> tokens)
    {
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < tokens.Count; id++)
        {
            if (tokens[id] is { } token && !seen.TryAdd(Encoding.Latin1.GetString(token), id))
                throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"The ids {seen[Encoding.Latin1.GetString(token)]} and {id} are the same bytes, {Excerpt.Token(token)}; a table has each token once."));
        }
    }

    private static byte[] ToBytes(string text)
    {
        var bytes = new byte[text.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            var value = JsonSplits.ByteCharacters.IndexOf(text[i], StringComparison.Ordinal);
            if (value < 0) return Encoding.UTF8.GetBytes(text);
            bytes[i] = (byte)value;
        }

        return bytes;
    }
}
