using System.Security.Cryptography;
using Microsoft.Extensions.AI;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>What a request asks for, checked and in the model's terms.</summary>
/// <param name="Messages">The messages, the request's instructions before them.</param>
/// <param name="Decode">How tokens are chosen.</param>
/// <param name="Seed">The seed of the random numbers.</param>
/// <param name="Stops">The stop strings.</param>
/// <param name="MaxTokens">The most tokens of the answer.</param>
internal sealed record ChatRequest(IReadOnlyList<ChatMessage> Messages, DecodeOptions Decode, ulong Seed, IReadOnlyList<string> Stops, int MaxTokens)
{
    /// <exception cref="ArgumentException">Something is out of range.</exception>
    /// <exception cref="NotSupportedException">Something cannot be done.</exception>
    public static ChatRequest Read(IEnumerable<ChatMessage> messages, ChatOptions? options, AdaptiveSoftmaxChatClientOptions standard, IReadOnlyList<string> stops, IChatClient client)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ChatMessage[] all = options?.Instructions is { Length: > 0 } instructions ? [new(ChatRole.System, instructions), .. messages] : [.. messages];
        if (all.Length == 0) throw new ArgumentException("There is no message, so that there is nothing to answer; send one.", nameof(messages));
        if (Array.IndexOf(all, null) >= 0) throw new ArgumentException("A message is null; leave it out.", nameof(messages));
        if (options is null) return new ChatRequest(all, standard.Decode, RandomSeed(), stops, standard.MaxOutputTokens);
        RefuseUnsupported(options, standard);
        var raw = options.RawRepresentationFactory?.Invoke(client);
        if (raw is not (null or DecodeOptions)) throw new ArgumentException($"{nameof(ChatOptions.RawRepresentationFactory)} gave {raw.GetType().Name}; this client takes {nameof(DecodeOptions)}.", nameof(options));
        var decode = raw as DecodeOptions ?? standard.Decode;
        var maxTokens = options.MaxOutputTokens ?? standard.MaxOutputTokens;
        if (maxTokens < 1) throw new ArgumentException(FormattableString.Invariant($"{nameof(ChatOptions.MaxOutputTokens)} is {maxTokens}; it must be 1 or more."), nameof(options));
        return new ChatRequest(
            all,
            decode with
            {
                Temperature = options.Temperature ?? decode.Temperature,
                // A nucleus of nothing is one of the most probable token.
                TopP = options.TopP is 0 ? float.Epsilon : options.TopP ?? decode.TopP,
                TopK = options.TopK ?? decode.TopK,
                FrequencyPenalty = options.FrequencyPenalty ?? decode.FrequencyPenalty,
                PresencePenalty = options.PresencePenalty ?? decode.PresencePenalty,
            },
            options.Seed is { } seed ? unchecked((ulong)seed) : RandomSeed(),
            options.StopSequences is { Count: > 0 } own ? [.. stops, .. own] : stops,
            maxTokens);
    }

    private static ulong RandomSeed() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    private static void RefuseUnsupported(ChatOptions options, AdaptiveSoftmaxChatClientOptions standard)
    {
        if (options.ModelId is { } model && model != standard.ModelId) throw new ArgumentException($"{nameof(ChatOptions.ModelId)} is '{model}'; this client's model is '{standard.ModelId}'.", nameof(options));
        if (options.Tools is { Count: > 0 } && options.ToolMode is not NoneChatToolMode) throw new NotSupportedException($"{nameof(ChatOptions.Tools)} are not supported: the model calls none. Leave them out.");
        if (options.ResponseFormat is not (null or ChatResponseFormatText)) throw new NotSupportedException($"{nameof(ChatOptions.ResponseFormat)} other than text is not supported. Leave it out, or set {nameof(DecodeOptions)}.{nameof(DecodeOptions.Mask)} from a grammar.");
        if (options.ConversationId is not null) throw new NotSupportedException($"{nameof(ChatOptions.ConversationId)} is not supported: no conversation is kept. Send all messages each time.");
        if (options.AllowBackgroundResponses == true || options.ContinuationToken is not null) throw new NotSupportedException($"Answers in the background are not supported. Leave {nameof(ChatOptions.AllowBackgroundResponses)} and {nameof(ChatOptions.ContinuationToken)} out.");
        if (options.Reasoning is not null) throw new NotSupportedException($"{nameof(ChatOptions.Reasoning)} is not supported: the model answers at once. Leave it out.");
    }
}
