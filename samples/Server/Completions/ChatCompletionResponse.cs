using System.Text.Json;
using System.Text.Json.Serialization;

namespace ServerSample;

/// <summary>An answer of a chat, or one event of a streamed one.</summary>
internal sealed record ChatCompletionResponse
{
    public required string Id { get; init; }

    public required string Object { get; init; }

    /// <summary>Seconds since 1970.</summary>
    public required long Created { get; init; }

    public required string Model { get; init; }

    /// <inheritdoc cref="CompletionResponse.SystemFingerprint"/>
    public required string SystemFingerprint { get; init; }

    public required IReadOnlyList<ChatChoice> Choices { get; init; }

    /// <inheritdoc cref="CompletionResponse.Usage"/>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Usage { get; init; }
}

/// <summary>An answer, or the next part of one.</summary>
internal sealed record ChatChoice(int Index, ChatLogProbs? Logprobs, string? FinishReason)
{
    /// <summary>The answer, whole.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatAnswerMessage? Message { get; init; }

    /// <summary>What an event adds to it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatDelta? Delta { get; init; }
}

/// <summary>An answer.</summary>
internal sealed record ChatAnswerMessage(string Role, string Content, string? Refusal = null);

/// <summary>What an event adds to an answer.</summary>
internal sealed record ChatDelta
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Content { get; init; }
}

/// <summary>The tokens of an answer with their log-probs.</summary>
internal sealed record ChatLogProbs(IReadOnlyList<ChatTokenLogProb> Content);

/// <summary>A token of an answer.</summary>
internal sealed record ChatTokenLogProb(string Token, float Logprob, IReadOnlyList<int> Bytes, IReadOnlyList<ChatTopLogProb> TopLogprobs);

/// <summary>One of the most probable tokens in its place.</summary>
internal sealed record ChatTopLogProb(string Token, float Logprob, IReadOnlyList<int> Bytes);
