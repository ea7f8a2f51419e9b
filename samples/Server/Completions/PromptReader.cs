using System.Text.Json;

namespace ServerSample;

/// <summary>A prompt as it was given: text, or token ids.</summary>
/// <param name="Text">The text; null where there are ids.</param>
/// <param name="Tokens">The ids; empty where there is text.</param>
/// <param name="Parameter">The parameter that it came by.</param>
internal readonly record struct Prompt(string? Text, int[] Tokens, string Parameter = PromptReader.Parameter);

/// <summary>Reads the four forms of <c>prompt</c>, and checks what can be checked before text becomes tokens.</summary>
internal sealed class PromptReader(int vocabularySize, int maxTokens)
{
    public const string Parameter = "prompt";

    // Ordinary text has four or five.
    private const int CharactersPerToken = 8;

    private const string Form = "'prompt' must be a string, an array of strings, an array of token ids, or an array of such arrays, and not be empty.";

    private long _characters;

    /// <summary>The prompts. Where there is none a document begins, as in OpenAI's interface.</summary>
    /// <exception cref="ApiException">It has another form, is too long, or has a token that does not exist.</exception>
    public IReadOnlyList<Prompt> Read(JsonElement? prompt)
    {
        if (prompt is not { ValueKind: not JsonValueKind.Null } given) return [new Prompt(null, [])];
        if (given.ValueKind == JsonValueKind.String) return [ReadText(given)];
        if (given.ValueKind != JsonValueKind.Array || given.GetArrayLength() == 0) throw ApiException.Invalid(Form, "prompt");
        if (given[0].ValueKind == JsonValueKind.Number) return [ReadTokens(given)];
        if (given.GetArrayLength() > WireLimits.Choices) throw ApiException.Invalid($"There are {given.GetArrayLength()} prompts; {WireLimits.Choices} is the most.", "prompt");
        return [.. given.EnumerateArray().Select(each => each.ValueKind switch
        {
            JsonValueKind.String => ReadText(each),
            JsonValueKind.Array => ReadTokens(each),
            _ => throw ApiException.Invalid(Form, "prompt"),
        })];
    }

    private Prompt ReadText(JsonElement text) => ReadText(JsonText.Read(text, Parameter), Parameter);

    /// <summary>A prompt that is text.</summary>
    /// <param name="value">The text.</param>
    /// <param name="parameter">The parameter that it came by.</param>
    /// <exception cref="ApiException">It is too long.</exception>
    public Prompt ReadText(string value, string parameter)
    {
        _characters += value.Length;
        var most = (long)CharactersPerToken * maxTokens;
        if (_characters > most) throw ApiException.Invalid($"The prompts have more than {most} characters in all, which is the most. {(parameter == Parameter ? "Send token ids for longer ones." : "Send fewer or shorter messages.")}", parameter, "context_length_exceeded");
        if (LongWords.Find(value, WireLimits.WordBytes) is >= 0 and var start)
            throw ApiException.Invalid($"The prompt has more than {WireLimits.WordBytes} bytes of letters, of signs or of white space in a row, from character {start} on ('{PrintableText.Quote(value[start..])}'), which is the most. {(parameter == Parameter ? "Send its token ids." : "Shorten it, or put something else in between.")}", parameter, "word_too_long");
        return new Prompt(value, [], parameter);
    }

    private Prompt ReadTokens(JsonElement tokens)
    {
        if (tokens.GetArrayLength() > maxTokens) throw ApiException.Invalid($"The prompt has {tokens.GetArrayLength()} tokens; {maxTokens} is the most.", "prompt", "context_length_exceeded");
        var ids = new int[tokens.GetArrayLength()];
        var i = 0;
        foreach (var token in tokens.EnumerateArray())
        {
            if (token.ValueKind != JsonValueKind.Number || !token.TryGetInt32(out ids[i]) || (uint)ids[i] >= (uint)vocabularySize)
                throw ApiException.Invalid($"'prompt' has {PrintableText.Quote(token.GetRawText())} at place {i} of a list of tokens; token ids are whole numbers from 0 to {vocabularySize - 1}.", "prompt");
            i++;
        }

        return new Prompt(null, ids);
    }
}
