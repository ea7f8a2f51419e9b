using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>Makes the hidden state behind a text.</summary>
/// <param name="tokens">The ids of all tokens so far, the prompt's first.</param>
/// <param name="hidden">Receives the hidden state behind the last of them, [hidden].</param>
public delegate void HiddenStateFunction(ReadOnlySpan<int> tokens, Span<float> hidden);

/// <summary>Language models that keep nothing between tokens.</summary>
public static class LanguageModel
{
    /// <summary>A model that makes each hidden state anew of all tokens so far, such as one over a window of the last tokens.</summary>
    /// <param name="softmax">The softmax. It stays the caller's, and must live while answers are made.</param>
    /// <param name="hiddenState">Makes the hidden states. Called by many threads at once.</param>
    public static ILanguageModel Create(SoftmaxDecoder softmax, HiddenStateFunction hiddenState)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        ArgumentNullException.ThrowIfNull(hiddenState);
        return new Stateless(softmax, hiddenState);
    }

    private sealed class Stateless(SoftmaxDecoder softmax, HiddenStateFunction hiddenState) : ILanguageModel
    {
        public ILanguageModelSequence StartSequence() => new Sequence(softmax, hiddenState);
    }

    private sealed class Sequence(SoftmaxDecoder softmax, HiddenStateFunction hiddenState) : ILanguageModelSequence
    {
        private readonly List<int> _tokens = [];

        public SoftmaxDecoder Softmax => softmax;

        public void Read(ReadOnlySpan<int> tokens, Span<float> hidden, CancellationToken cancellationToken)
        {
            _tokens.AddRange(tokens);
            hiddenState(CollectionsMarshal.AsSpan(_tokens), hidden);
        }

        public void Dispose()
        {
        }
    }
}
