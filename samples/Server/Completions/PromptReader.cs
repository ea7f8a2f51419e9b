using System.Text.Json;

namespace ServerSample;

/// <summary>Reads the four forms of <c>prompt</c>.</summary>
internal sealed class PromptReader(ServedModel model, int maxTokens)
{
    // Ordinary text has four or five. Without this bound one endless word would keep the tokenizer busy for half a minute,
    // since the time that it takes for a word grows with the square of its length.
    private const int CharactersPerToken = 8;

    private long _characters;

    private const string Form = "'prompt' must be a string, an array of strings, an array of token ids, or an array of such arrays, and not be empty.";

    /// <summary>The prompts as token ids. Where there is none a document begins, as in OpenAI's interface.</summary>
    /// <exception cref="ApiException">It has another form, is too long, or has a token that does not exist.</exception>
    public IReadOnlyList<int[]> Read(JsonElement? prompt)
    {
        if (prompt is not { ValueKind: not JsonValueKind.Null } given) return [[]];
        if (given.ValueKind == JsonValueKind.String) return [Encode(given)];
        if (given.ValueKind != JsonValueKind.Array || given.GetArrayLength() == 0) throw ApiException.Invalid(Form, "prompt");
        if (given[0].ValueKind == JsonValueKind.Number) return [ReadTokens(given)];
        if (given.GetArrayLength() > WireLimits.Choices) throw ApiException.Invalid($"There are {given.GetArrayLength()} prompts; {WireLimits.Choices} is the most.", "prompt");
        return [.. given.EnumerateArray().Select(each => each.ValueKind switch
        {
            JsonValueKind.String => Encode(each),
            JsonValueKind.Array => ReadTokens(each),
            _ => throw ApiException.Invalid(Form, "prompt"),
        })];
    }

    private int[] Encode(JsonElement text)
    {
        var value = JsonText.Read(text, "prompt");
        _characters += value.Length;
        var most = (long)CharactersPerToken * maxTokens;
        if (_characters > most) throw ApiException.Invalid($"The prompts have more than {most} characters in all, which is the most. Send token ids for longer ones.", "prompt", "context_length_exceeded");
        return CheckLength(model.Tokenizer.Encode(value));
    }

    private int[] ReadTokens(JsonElement tokens)
    {
        var ids = new int[tokens.GetArrayLength()];
        var i = 0;
        foreach (var token in tokens.EnumerateArray())
        {
            if (token.ValueKind != JsonValueKind.Number || !token.TryGetInt32(out ids[i]) || (uint)ids[i] >= (uint)model.Model.Layout.VocabularySize)
                throw ApiException.Invalid($"'prompt' has {token.GetRawText()} at place {i} of a list of tokens; token ids are whole numbers from 0 to {model.Model.Layout.VocabularySize - 1}.", "prompt");
            i++;
        }

        return CheckLength(ids);
    }

    private int[] CheckLength(int[] ids) => ids.Length <= maxTokens ? ids
        : throw ApiException.Invalid($"The prompt has {ids.Length} tokens; {maxTokens} is the most.", "prompt", "context_length_exceeded");
}
