namespace ServerSample;

/// <summary>The bounds of the interface. Those that OpenAI's interface has are the same; the rest keep a request small.</summary>
internal static class WireLimits
{
    /// <summary>The most probable tokens that <c>logprobs</c> may ask for.</summary>
    public const int LogProbs = 5;

    /// <summary>The most probable tokens that <c>top_logprobs</c> of a chat may ask for.</summary>
    public const int ChatLogProbs = 20;

    /// <summary>The stop strings of a request.</summary>
    public const int Stops = 4;

    /// <summary>The characters of a stop string.</summary>
    public const int StopLength = 256;

    /// <summary>The entries of <c>logit_bias</c>.</summary>
    public const int Biases = 1024;

    /// <summary>
    /// The bytes of a word of a prompt, which the tokenizer needs some milliseconds for. Words are what it takes as one:
    /// letters, signs or white space in a row.
    /// </summary>
    public const int WordBytes = 4096;

    /// <summary>The continuations of a request, <c>n</c> for each prompt.</summary>
    public const int Choices = 16;

    /// <summary>The characters of <c>user</c>.</summary>
    public const int UserLength = 128;

    /// <summary>The tokens of a continuation where <c>max_tokens</c> is not given.</summary>
    public const int DefaultMaxTokens = 16;
}
