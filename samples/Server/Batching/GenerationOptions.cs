using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>What a request asks for, checked and in the model's terms.</summary>
internal sealed record GenerationOptions
{
    /// <summary>The prompts as token ids.</summary>
    public IReadOnlyList<int[]> Prompts { get; init; } = [[]];

    /// <summary>The continuations of each prompt.</summary>
    public int ChoicesPerPrompt { get; init; } = 1;

    /// <summary>The most tokens of a continuation.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>How tokens are chosen.</summary>
    public required DecodeOptions Decode { get; init; }

    /// <summary>Decides all random numbers of the request; each choice has a stream of its own.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The strings that end a continuation.</summary>
    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>The strings that end a continuation which begins with one.</summary>
    public IReadOnlyList<string> StartStops { get; init; } = [];

    /// <summary>Whether the answer begins with the prompt.</summary>
    public bool Echo { get; init; }

    /// <summary>Whether log-probs are reported.</summary>
    public bool WantsLogProbs { get; init; }

    /// <summary>The pieces of text that the client has not taken from which on no more are made; all are made if not given.</summary>
    public int MaxUnsent { get; init; } = int.MaxValue;

    /// <summary>How long the answer may wait for its client to read, in all.</summary>
    public TimeSpan ReadTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The number of continuations.</summary>
    public int Choices => Prompts.Count * ChoicesPerPrompt;
}
