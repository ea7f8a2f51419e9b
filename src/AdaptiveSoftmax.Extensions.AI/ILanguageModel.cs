namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>
/// A language model of yours: whatever makes hidden states of tokens, and the softmax that ends it. Many answers are made at
/// once, each with a sequence of its own.
/// </summary>
public interface ILanguageModel
{
    /// <summary>Starts to read a text. Called once an answer, by any thread.</summary>
    /// <returns>The sequence, which the answer disposes of when it ends.</returns>
    ILanguageModelSequence StartSequence();
}

/// <summary>A text that a language model reads, token by token. It belongs to one answer, which calls it from one thread at a time.</summary>
public interface ILanguageModelSequence : IDisposable
{
    /// <summary>
    /// The softmax that chooses this text's tokens: a layer, or a quantised or certified copy of one. It stays the same for the whole
    /// text, so that an answer is of one version of the weights.
    /// </summary>
    SoftmaxDecoder Softmax { get; }

    /// <summary>Reads the next tokens: first those of the prompt together, then each one that was chosen.</summary>
    /// <param name="tokens">Token ids, at least one.</param>
    /// <param name="hidden">Receives the hidden state behind the last of them, [hidden].</param>
    /// <param name="cancellationToken">Says that the answer is no longer wanted.</param>
    void Read(ReadOnlySpan<int> tokens, Span<float> hidden, CancellationToken cancellationToken);
}
