using AdaptiveSoftmax;
using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>
/// A language model on the processor: a body that turns a window of tokens into a hidden state, and a softmax over the
/// next token.
/// </summary>
/// <param name="body">The body.</param>
/// <param name="softmax">The softmax, adaptive or full.</param>
/// <param name="embeddingRows">The row of the body's embedding for each token id, [vocabulary].</param>
/// <param name="endOfText">The token that ends a document and fills the window before the first one.</param>
internal sealed class Model(Body body, AdaptiveSoftmaxLayer softmax, int[] embeddingRows, int endOfText) : LanguageModel(body.Shape.Window, endOfText)
{
    private int[] _rows = [];
    private float[] _hidden = [], _hiddenGradient = [];

    public Body Body => body;

    public AdaptiveSoftmaxLayer Softmax => softmax;

    public override SoftmaxLayout Layout => softmax.Layout;

    public IReadOnlyList<Parameter> Parameters { get; } = [.. body.Parameters, .. softmax.Parameters];

    /// <summary>Computes the loss of a batch and adds its gradients to those of all parameters.</summary>
    public float Backward(Batch batch)
    {
        Forward(batch.Windows);
        var loss = softmax.Backward(_hidden, batch.Targets, _hiddenGradient);
        body.Backward(_rows, _hiddenGradient);
        return loss;
    }

    public override float Loss(Batch batch)
    {
        Forward(batch.Windows);
        return softmax.Loss(_hidden, batch.Targets);
    }

    public override int Predict(ReadOnlySpan<int> window) => softmax.Predict(Forward(window));

    public override Func<int, int> PreparePredictions(ReadOnlySpan<int> windows)
    {
        Forward(windows);
        var size = body.Shape.HiddenSize;
        return index => softmax.Predict(_hidden.AsSpan(index * size, size));
    }

    public override ITraining CreateTraining() => new Training(this);

    /// <summary>The hidden states after windows of tokens, [windows, hidden]. They hold until the next call.</summary>
    /// <param name="windows">Token ids, oldest first, [windows, window].</param>
    public ReadOnlySpan<float> Forward(ReadOnlySpan<int> windows)
    {
        if (_rows.Length != windows.Length)
        {
            _rows = new int[windows.Length];
            _hidden = new float[windows.Length / Window * body.Shape.HiddenSize];
            _hiddenGradient = new float[_hidden.Length];
        }

        for (var i = 0; i < windows.Length; i++) _rows[i] = embeddingRows[windows[i]];
        body.Forward(_rows, _hidden);
        return _hidden;
    }

    public override void Dispose()
    {
        body.Dispose();
        softmax.Dispose();
    }
}
