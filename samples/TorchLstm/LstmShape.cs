namespace TorchLstmSample;

/// <summary>The sizes of a body, and its dropout.</summary>
internal sealed record LstmShape
{
    /// <summary>The number of embeddings. Slots from the last one on share it.</summary>
    public required int EmbeddingRows { get; init; }

    /// <summary>The size of an embedding.</summary>
    public required int EmbeddingSize { get; init; }

    /// <summary>The size of the LSTM's hidden state, which the softmax gets.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The share of the values of embeddings and hidden states that a training step leaves out.</summary>
    public double Dropout { get; init; }
}
