namespace LanguageModelSample;

/// <summary>The sizes of a body.</summary>
internal sealed record BodyShape
{
    /// <summary>How many tokens back a prediction looks.</summary>
    public required int Window { get; init; }

    /// <summary>The number of embeddings.</summary>
    public required int EmbeddingRows { get; init; }

    /// <summary>The size of an embedding.</summary>
    public required int EmbeddingSize { get; init; }

    /// <summary>The size of the hidden state that the softmax gets.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The threads that compute; the result is the same for any number.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}
