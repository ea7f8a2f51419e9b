using AdaptiveSoftmax;
using AdaptiveSoftmax.Vocabulary;

namespace LanguageModelSample;

/// <summary>The loss of hidden states, whose gradient it sets.</summary>
internal delegate float LossGradient(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient);

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
    // With room for the largest batch so far; what Forward left in them is Rows and Hidden.
    private int[] _rowRoom = [];
    private float[] _hiddenRoom = [], _hiddenGradientRoom = [];
    private int _tokens;

    public Body Body => body;

    public AdaptiveSoftmaxLayer Softmax => softmax;

    public override SoftmaxLayout Layout => softmax.Layout;

    public IReadOnlyList<Parameter> Parameters { get; } = [.. body.Parameters, .. softmax.Parameters];

    /// <summary>Computes the loss of a batch and adds its gradients to those of all parameters.</summary>
    public float Backward(Batch batch) => Backward(batch, (hidden, targets, gradient) => softmax.Backward(hidden, targets, gradient));

    /// <summary>The same with a loss of another's, which adds to the softmax's gradients and sets that of the hidden states.</summary>
    public float Backward(Batch batch, LossGradient lossGradient)
    {
        var hidden = Forward(batch.Windows);
        if (_hiddenGradientRoom.Length < hidden.Length) _hiddenGradientRoom = new float[hidden.Length];
        var hiddenGradient = _hiddenGradientRoom.AsSpan(0, hidden.Length);
        var loss = lossGradient(hidden, batch.Targets, hiddenGradient);
        body.Backward(Rows, hiddenGradient);
        return loss;
    }

    public override float Loss(Batch batch) => softmax.Loss(Forward(batch.Windows), batch.Targets);

    public override int Predict(ReadOnlySpan<int> window) => softmax.Predict(Forward(window));

    public override Func<int, int> PreparePredictions(ReadOnlySpan<int> windows)
    {
        Forward(windows);
        var size = body.Shape.HiddenSize;
        return index => softmax.Predict(Hidden.Slice(index * size, size));
    }

    public override void CopyHidden(ReadOnlySpan<int> windows, Span<float> hidden) => Forward(windows).CopyTo(hidden);

    public override ITraining CreateTraining() => new ProcessorTraining(this);

    /// <summary>The hidden states after windows of tokens, [windows, hidden]. They hold until the next call.</summary>
    /// <param name="windows">Token ids, oldest first, [windows, window].</param>
    public ReadOnlySpan<float> Forward(ReadOnlySpan<int> windows)
    {
        _tokens = windows.Length / Window;
        if (_rowRoom.Length < windows.Length)
        {
            _rowRoom = new int[windows.Length];
            _hiddenRoom = new float[_tokens * body.Shape.HiddenSize];
        }

        for (var i = 0; i < windows.Length; i++) _rowRoom[i] = embeddingRows[windows[i]];
        body.Forward(Rows, Hidden);
        return Hidden;
    }

    public override void Dispose()
    {
        body.Dispose();
        softmax.Dispose();
    }

    private Span<int> Rows => _rowRoom.AsSpan(0, _tokens * Window);

    private Span<float> Hidden => _hiddenRoom.AsSpan(0, _tokens * body.Shape.HiddenSize);
}
