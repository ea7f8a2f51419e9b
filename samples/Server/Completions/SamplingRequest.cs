using System.Text.Json;
using System.Text.Json.Serialization;

namespace ServerSample;

/// <summary>What requests for completions and for chat answers have in common, in OpenAI's words. What is null was not given.</summary>
internal abstract record SamplingRequest
{
    public string? Model { get; init; }

    public int? MaxTokens { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    /// <summary>Not OpenAI's, but other servers have it.</summary>
    public int? TopK { get; init; }

    /// <summary>Not OpenAI's, but other servers have it.</summary>
    public float? MinP { get; init; }

    public int? N { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    /// <summary>A string, or an array of up to four.</summary>
    public JsonElement? Stop { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    /// <summary>Token ids and what is added to their log-probs.</summary>
    public Dictionary<string, float>? LogitBias { get; init; }

    public long? Seed { get; init; }

    /// <summary>Whose request it is: the tag under which drift is watched.</summary>
    public string? User { get; init; }

    /// <summary>What the interface does not know.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>What a stream holds besides the text.</summary>
internal sealed record StreamOptions
{
    /// <summary>Whether a last event says what the request took.</summary>
    public bool? IncludeUsage { get; init; }

    /// <summary>Asks for padding that hides the lengths of texts. It is taken and not done: nobody listens on a loopback address.</summary>
    public bool? IncludeObfuscation { get; init; }

    /// <summary>What the interface does not know.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
