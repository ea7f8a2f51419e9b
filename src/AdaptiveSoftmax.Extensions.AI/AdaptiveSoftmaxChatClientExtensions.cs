using Microsoft.Extensions.AI;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>Language models as clients of Microsoft.Extensions.AI.</summary>
public static class AdaptiveSoftmaxChatClientExtensions
{
    /// <summary>A chat client over a language model of yours. Any number of threads may ask it at once.</summary>
    /// <remarks>
    /// It takes temperature, top-p, top-k, seed, stop sequences, frequency and presence penalty (which count the answer's tokens), the
    /// most output tokens and instructions of <see cref="ChatOptions"/>. <see cref="ChatOptions.RawRepresentationFactory"/> may give a
    /// <see cref="DecodeOptions"/> with what these have no word for: a bias, a mask, min-p. What it cannot do (tools, answers in JSON,
    /// conversations that the service keeps) is a <see cref="NotSupportedException"/>. The same seed gives the same answer.
    /// </remarks>
    /// <param name="model">The model, which stays the caller's: disposing of the client leaves it as it is.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">What holds where a request says nothing; null for the usual.</param>
    /// <exception cref="ArgumentException">The most tokens of an answer are fewer than one, a stop string is empty or has half of a surrogate pair, or end tokens or decoding options are null.</exception>
    public static IChatClient AsChatClient(this ILanguageModel model, ChatTokenizer tokenizer, AdaptiveSoftmaxChatClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new AdaptiveSoftmaxChatClient(model, tokenizer, options ?? new AdaptiveSoftmaxChatClientOptions());
    }
}
