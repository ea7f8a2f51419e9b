using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>
/// A language model as training, comparison and writing see it: <see cref="Model"/> on the processor, or
/// <see cref="GpuModel"/> on a device.
/// </summary>
/// <param name="window">How many tokens back a prediction looks.</param>
/// <param name="endOfText">The token that ends a document and fills the window before the first one.</param>
internal abstract class LanguageModel(int window, int endOfText) : IDisposable
{
    public int Window { get; } = window;

    public int EndOfText { get; } = endOfText;

    /// <summary>The sizes of the softmax.</summary>
    public abstract SoftmaxLayout Layout { get; }

    /// <summary>The mean loss of a batch.</summary>
    public abstract float Loss(Batch batch);

    /// <summary>The most probable token after a window.</summary>
    public abstract int Predict(ReadOnlySpan<int> window);

    /// <summary>Computes the hidden states after windows, and gives the prediction from each by its index.</summary>
    /// <param name="windows">Token ids, oldest first, [windows, window].</param>
    /// <returns>The softmax alone, without the body; it holds until the model's next call.</returns>
    public abstract Func<int, int> PreparePredictions(ReadOnlySpan<int> windows);

    /// <summary>Computes the hidden states after windows.</summary>
    /// <param name="windows">Token ids, oldest first, [windows, window].</param>
    /// <param name="hidden">Receives [windows, hidden].</param>
    public abstract void CopyHidden(ReadOnlySpan<int> windows, Span<float> hidden);

    /// <summary>What trains the model: its gradients, an Adagrad, and files.</summary>
    public abstract ITraining CreateTraining();

    public abstract void Dispose();

    /// <summary>The perplexity of tokens spread over a text: exp of their mean loss.</summary>
    public double Perplexity(int[] text, int tokens)
    {
        var loss = 0.0;
        var positions = TextData.SpreadPositions(text, tokens);
        foreach (var part in positions.Chunk(256))
        {
            var batch = new Batch(part.Length, Window);
            batch.Fill(text, part, EndOfText);
            loss += (double)Loss(batch) * part.Length;
        }

        return Math.Exp(loss / positions.Length);
    }
}
