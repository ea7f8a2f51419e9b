using System.Text.Json;
using System.Text.Json.Serialization;

namespace ServerSample;

/// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
internal sealed record ChatCompletionRequest : SamplingRequest
{
    public IReadOnlyList<ChatRequestMessage>? Messages { get; init; }

    /// <summary>The newer name of <see cref="SamplingRequest.MaxTokens"/>.</summary>
    public int? MaxCompletionTokens { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    /// <summary>What the answer must be: text.</summary>
    public JsonElement? ResponseFormat { get; init; }
}

/// <summary>A message of a chat.</summary>
internal sealed record ChatRequestMessage
{
    public string? Role { get; init; }

    /// <summary>A string, or an array of parts of type <c>text</c>.</summary>
    public JsonElement? Content { get; init; }

    /// <summary>Who of several speaks. The template has no place for it.</summary>
    public string? Name { get; init; }

    /// <summary>Answers have it with null, and come back as messages.</summary>
    public string? Refusal { get; init; }

    /// <summary>What the interface does not know.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
