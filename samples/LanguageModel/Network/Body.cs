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

    // What Forward computes and Backward reads, and the gradients on the way back, with room for the largest batch so far.
    private float[] _embeddedRoom = [], _xRoom = [], _zRoom = [], _yRoom = [];
    private float[] _embeddedGradientRoom = [], _xGradientRoom = [], _zGradientRoom = [], _yGradientRoom = [];
    private int _tokens;

    public Body(BodyShape shape, ulong seed)
    {
        Shape = shape;
        var random = new Random(unchecked((int)seed));
        _embedding = new Parameter("body.embedding.weight", shape.EmbeddingRows, shape.EmbeddingSize, GradientLayout.SparseRows);
        _embedding.Edit(values =>
        {
            foreach (ref var value in values) value = EmbeddingBound * ((2 * random.NextSingle()) - 1);
        });
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
        _tokens = rows.Length / Shape.Window;
        var embedded = Reserve(ref _embeddedRoom, Shape.Window * Shape.EmbeddingSize);
        Span<float> x = Reserve(ref _xRoom), z = Reserve(ref _zRoom), y = Reserve(ref _yRoom);
        for (var i = 0; i < rows.Length; i++) _embedding.Row(rows[i]).CopyTo(Piece(embedded, i));
        _first.Forward(embedded, x);
        Rectify(x);
        _second.Forward(x, z);
        Rectify(z);
        for (var i = 0; i < y.Length; i++) y[i] = x[i] + z[i];
        _norm.Forward(y, hidden);
    }

    /// <summary>Adds to the gradients of all parameters that learn, for the windows of the last <see cref="Forward"/>.</summary>
    /// <param name="rows">The embeddings in each window, as given to <see cref="Forward"/>.</param>
    /// <param name="hiddenGradient">The gradient of the hidden states, [tokens, hidden].</param>
    public void Backward(ReadOnlySpan<int> rows, ReadOnlySpan<float> hiddenGradient)
    {
        var embedded = Reserve(ref _embeddedRoom, Shape.Window * Shape.EmbeddingSize);
        var embeddedGradient = Reserve(ref _embeddedGradientRoom, Shape.Window * Shape.EmbeddingSize);
        Span<float> x = Reserve(ref _xRoom), z = Reserve(ref _zRoom), y = Reserve(ref _yRoom);
        Span<float> xGradient = Reserve(ref _xGradientRoom), zGradient = Reserve(ref _zGradientRoom), yGradient = Reserve(ref _yGradientRoom);
        _norm.Backward(y, hiddenGradient, yGradient);
        for (var i = 0; i < z.Length; i++) zGradient[i] = z[i] > 0 ? yGradient[i] : 0;
        _second.Backward(x, zGradient, xGradient);
        for (var i = 0; i < x.Length; i++) xGradient[i] = x[i] > 0 ? xGradient[i] + yGradient[i] : 0;
        _first.Backward(embedded, xGradient, embeddedGradient);
        for (var i = 0; i < rows.Length && _embedding.RequiresGradient; i++)
        {
            var from = Piece(embeddedGradient, i);
            var to = _embedding.TouchGradientRow(rows[i]);
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

    private Span<float> Piece(Span<float> embedded, int i) => embedded.Slice(i * Shape.EmbeddingSize, Shape.EmbeddingSize);

    private static void Rectify(Span<float> values)
    {
        foreach (ref var value in values) value = MathF.Max(value, 0);
    }

    private Span<float> Reserve(ref float[] room) => Reserve(ref room, Shape.HiddenSize);

    // Batches of a server change their size with every step, so that smaller ones use a part of the room.
    private Span<float> Reserve(ref float[] room, int size)
    {
        if (room.Length < _tokens * size) room = new float[_tokens * size];
        return room.AsSpan(0, _tokens * size);
    }
}
