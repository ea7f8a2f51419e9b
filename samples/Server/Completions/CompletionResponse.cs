using System.Text.Json;
using System.Text.Json.Serialization;

namespace ServerSample;

/// <summary>An answer, or one event of a streamed answer.</summary>
internal sealed record CompletionResponse
{
    public required string Id { get; init; }

    public string Object { get; } = "text_completion";

    /// <summary>Seconds since 1970.</summary>
    public required long Created { get; init; }

    public required string Model { get; init; }

    /// <summary>The same request with the same seed has the same answer as long as this is the same.</summary>
    public required string SystemFingerprint { get; init; }

    public required IReadOnlyList<CompletionChoice> Choices { get; init; }

    /// <summary>A <see cref="CompletionUsage"/>. An event may say that it has none, which is more than to be silent of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Usage { get; init; }
}

/// <summary>A continuation, or the next part of one.</summary>
internal sealed record CompletionChoice(string Text, int Index, CompletionLogProbs? Logprobs, string? FinishReason);

/// <summary>The tokens of a text and their log-probs, one entry a token in each list. The first token of a prompt has none.</summary>
internal sealed record CompletionLogProbs(
    IReadOnlyList<string> Tokens,
    IReadOnlyList<float?> TokenLogprobs,
    IReadOnlyList<IReadOnlyDictionary<string, float>?> TopLogprobs,
    IReadOnlyList<int> TextOffset);

/// <summary>What a request took, in tokens.</summary>
internal sealed record CompletionUsage(int PromptTokens, int CompletionTokens, int TotalTokens)
{
    /// <summary>How its tokens were decoded, where there is a policy for bursts.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CompletionDecoding? Decoding { get; init; }
}

/// <summary>How the tokens of an answer were decoded.</summary>
/// <param name="Policy">The burst's policy if any token was made under it, <c>exact</c> otherwise.</param>
/// <param name="BurstTokens">The tokens made under it.</param>
/// <param name="UnseenTokens">Those for which a tail was left out that could have mattered.</param>
/// <param name="UnseenMass">The probability of what was left out, the mean over all tokens of the answer.</param>
internal sealed record CompletionDecoding(string Policy, long BurstTokens, long UnseenTokens, double UnseenMass)
{
    /// <summary>What it is of a request; null where the server has no policy for bursts.</summary>
    public static CompletionDecoding? Of(Generation generation, BurstOptions? burst) => burst is null ? null : new CompletionDecoding(
        generation.Decoded.BurstTokens > 0 ? burst.Name : "exact", generation.Decoded.BurstTokens, generation.Decoded.UnseenTokens, generation.Decoded.MeanUnseenMass);
}

/// <summary>The models, of which there is one.</summary>
internal sealed record ModelList(IReadOnlyList<ModelInfo> Data)
{
    public string Object { get; } = "list";
}

/// <summary>A model.</summary>
internal sealed record ModelInfo(string Id, long Created, string OwnedBy)
{
    public string Object { get; } = "model";
}

/// <summary>What is wrong with a request.</summary>
internal sealed record ErrorResponse(ErrorBody Error);

/// <inheritdoc cref="ErrorResponse"/>
internal sealed record ErrorBody(string Message, string Type, string? Param, string? Code);
