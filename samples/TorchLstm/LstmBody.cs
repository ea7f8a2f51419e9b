using TorchSharp.Modules;
using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace TorchLstmSample;

/// <summary>The body of the model: embeddings and an LSTM, with dropout before and behind it.</summary>
internal sealed class LstmBody : IDisposable
{
    private readonly LSTM _lstm;

    /// <summary>Creates a body, whose weights follow from the seed.</summary>
    public LstmBody(LstmShape shape, ulong seed)
    {
        Shape = shape;
        using var generator = random.manual_seed(unchecked((long)seed));
        Embeddings = new EmbeddingTable(shape.EmbeddingRows, shape.EmbeddingSize);
        _lstm = nn.LSTM(shape.EmbeddingSize, shape.HiddenSize);
        NamedParameters = [.. _lstm.named_parameters().Select(pair => ($"body.lstm.{pair.name}", pair.parameter))];
        Parameters = [.. NamedParameters.Select(pair => pair.Parameter)];
    }

    public LstmShape Shape { get; }

    public EmbeddingTable Embeddings { get; }

    /// <summary>The parameters of the LSTM with their names in a file.</summary>
    public IReadOnlyList<(string Name, TorchParameter Parameter)> NamedParameters { get; }

    /// <summary>The parameters of the LSTM.</summary>
    public IReadOnlyList<TorchParameter> Parameters { get; }

    /// <summary>Computes hidden states.</summary>
    /// <param name="embedded">Embeddings, [steps, streams, size].</param>
    /// <param name="state">The state before them.</param>
    /// <param name="isTraining">Whether values are dropped.</param>
    /// <returns>Hidden states, [steps, streams, hidden], and the state behind them.</returns>
    public (Tensor Hidden, LstmState State) Forward(Tensor embedded, LstmState state, bool isTraining)
    {
        var (output, hidden, cell) = _lstm.call(Drop(embedded), (state.Hidden, state.Cell));
        return (Drop(output), new LstmState(hidden, cell));

        Tensor Drop(Tensor values) => isTraining && Shape.Dropout > 0 ? nn.functional.dropout(values, Shape.Dropout, training: true) : values;
    }

    public void ZeroGradients() => _lstm.zero_grad();

    public void Dispose()
    {
        foreach (var parameter in Parameters) parameter.Dispose();
        _lstm.Dispose();
        Embeddings.Dispose();
    }
}
