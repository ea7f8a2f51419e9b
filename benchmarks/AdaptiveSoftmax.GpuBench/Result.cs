using System.Text.Json.Serialization;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>One line of the result: the keys that <c>benchmarks/gpu/join.py</c> reads.</summary>
internal sealed record Result
{
    [JsonPropertyName("program")]
    public string Program { get; init; } = "adaptivesoftmax";

    [JsonPropertyName("device")]
    public required string Device { get; init; }

    /// <summary>What computed, besides the device.</summary>
    [JsonPropertyName("version")]
    public string Version { get; init; } = "";

    /// <summary><c>train</c> or <c>decode</c>.</summary>
    [JsonPropertyName("case")]
    public required string Case { get; init; }

    [JsonPropertyName("contender")]
    public required string Contender { get; init; }

    [JsonPropertyName("precision")]
    public string Precision { get; init; } = "float32";

    [JsonPropertyName("hidden")]
    public required int Hidden { get; init; }

    [JsonPropertyName("vocabulary")]
    public required int Vocabulary { get; init; }

    [JsonPropertyName("tokens")]
    public required int Tokens { get; init; }

    [JsonPropertyName("median_ms")]
    public double? Median { get; init; }

    [JsonPropertyName("min_ms")]
    public double? Minimum { get; init; }

    /// <summary>Device memory beside weights and their gradients.</summary>
    [JsonPropertyName("extra_bytes")]
    public long? ExtraBytes { get; init; }

    /// <summary>Whether there is no figure though there should be one.</summary>
    [JsonIgnore]
    public bool HasFailed { get; init; }

    [JsonPropertyName("note")]
    public string Note { get; init; } = "";
}
