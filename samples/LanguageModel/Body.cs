using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>
/// The body of the model, a neural network over a fixed window: the embeddings of the last tokens side by side, then
/// <code>
/// x = relu(first(embeddings))      y = x + relu(second(x))      hidden = norm(y)
/// </code>
/// </summary>
internal sealed class Body : IDisposable
{
    // Small next to what training makes of them: tokens that are hardly ever seen then say hardly anything.
    private const float EmbeddingBound = 0.05f;

    private readonly Parameter _embedding;
    private readonly Linear _first;
    private readonly Linear _second;
    private readonly RmsNorm _norm;

    // What Forward computes and Backward reads, and the gradients on the way back, for the batch at hand.
    private float[] _embedded = [], _x = [], _z = [], _y = [];
    private float[] _embeddedGradient = [], _xGradient = [], _zGradient = [], _yGradient = [];

    public Body(BodyShape shape, ulong seed)
    {
        Shape = shape;
        var random = new Random(unchecked((int)seed));
        _embedding = new Parameter("body.embedding.weight", shape.EmbeddingRows, shape.EmbeddingSize, GradientLayout.SparseRows);
        foreach (ref var value in _embedding.Values) value = EmbeddingBound * ((2 * random.NextSingle()) - 1);
        _first = new Linear("body.first", shape.HiddenSize, shape.Window * shape.EmbeddingSize, random, shape.Threads);
        _second = new Linear("body.second", shape.HiddenSize, shape.HiddenSize, random, shape.Threads);
        _norm = new RmsNorm("body.norm", shape.HiddenSize);
        Parameters = [_embedding, .. _first.Parameters, .. _second.Parameters, .. _norm.Parameters];
    }

    public BodyShape Shape { get; }

    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Computes hidden states.</summary>
    /// <param name="rows">The embeddings in each window, oldest first, [tokens, window].</param>
    /// <param name="hidden">Receives [tokens, hidden].</param>
    public void Forward(ReadOnlySpan<int> rows, Span<float> hidden)
    {
        Reserve(rows.Length / Shape.Window);
        for (var i = 0; i < rows.Length; i++) _embedding.Row(rows[i]).CopyTo(Piece(_embedded, i));
        _first.Forward(_embedded, _x);
        Rectify(_x);
        _second.Forward(_x, _z);
        Rectify(_z);
        for (var i = 0; i < _y.Length; i++) _y[i] = _x[i] + _z[i];
        _norm.Forward(_y, hidden);
    }

    /// <summary>Adds to the gradients of all parameters, for the windows of the last <see cref="Forward"/>.</summary>
    /// <param name="rows">The embeddings in each window, as given to <see cref="Forward"/>.</param>
    /// <param name="hiddenGradient">The gradient of the hidden states, [tokens, hidden].</param>
    public void Backward(ReadOnlySpan<int> rows, ReadOnlySpan<float> hiddenGradient)
    {
        _norm.Backward(_y, hiddenGradient, _yGradient);
        for (var i = 0; i < _z.Length; i++) _zGradient[i] = _z[i] > 0 ? _yGradient[i] : 0;
        _second.Backward(_x, _zGradient, _xGradient);
        for (var i = 0; i < _x.Length; i++) _xGradient[i] = _x[i] > 0 ? _xGradient[i] + _yGradient[i] : 0;
        _first.Backward(_embedded, _xGradient, _embeddedGradient);
        for (var i = 0; i < rows.Length; i++)
        {
            var from = Piece(_embeddedGradient, i);
            var to = _embedding.GradientRow(rows[i]);
            for (var j = 0; j < to.Length; j++) to[j] += from[j];
        }
    }

    public void Dispose()
    {
        _embedding.Dispose();
        _first.Dispose();
        _second.Dispose();
        _norm.Dispose();
    }

    private Span<float> Piece(float[] embedded, int i) => embedded.AsSpan(i * Shape.EmbeddingSize, Shape.EmbeddingSize);

    private static void Rectify(Span<float> values)
    {
        foreach (ref var value in values) value = MathF.Max(value, 0);
    }

    private void Reserve(int tokens)
    {
        if (_x.Length == tokens * Shape.HiddenSize) return;
        (_x, _z, _y, _xGradient, _zGradient, _yGradient) = (NewHidden(), NewHidden(), NewHidden(), NewHidden(), NewHidden(), NewHidden());
        (_embedded, _embeddedGradient) = (NewEmbedded(), NewEmbedded());

        float[] NewHidden() => new float[tokens * Shape.HiddenSize];
        float[] NewEmbedded() => new float[tokens * Shape.Window * Shape.EmbeddingSize];
    }
}
