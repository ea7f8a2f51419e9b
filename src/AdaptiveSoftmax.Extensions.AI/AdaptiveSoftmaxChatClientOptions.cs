using Microsoft.Extensions.AI;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>What a chat client does where a request says nothing.</summary>
public sealed record AdaptiveSoftmaxChatClientOptions
{
    /// <summary>The model's name, which answers carry. A request for another one is refused.</summary>
    public string ModelId { get; init; } = "adaptive-softmax";

    /// <summary>The tokens that end an answer; they have no text.</summary>
    public IReadOnlyCollection<int> EndTokens { get; init; } = [];

    /// <summary>
    /// The tokens of a prompt, made of the messages: the format that the model was trained on, with its special tokens. Null for
    /// <see cref="PlainChatTemplate"/>, encoded as one text.
    /// </summary>
    public Func<IReadOnlyList<ChatMessage>, IReadOnlyList<int>>? EncodePrompt { get; init; }

    /// <summary>
    /// The stop strings of every answer, besides the request's own; null for those of <see cref="PlainChatTemplate"/> where it makes
    /// the prompts, and for none otherwise.
    /// </summary>
    public IReadOnlyList<string>? StopSequences { get; init; }

    /// <summary>How tokens are chosen where the request says nothing: the model's own distribution, unless said otherwise.</summary>
    public DecodeOptions Decode { get; init; } = DecodeOptions.Default;

    /// <summary>The most tokens of an answer where the request says nothing.</summary>
    public int MaxOutputTokens { get; init; } = 1024;
}
