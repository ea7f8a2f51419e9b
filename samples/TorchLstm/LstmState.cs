using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>What an LSTM remembers of each stream.</summary>
/// <param name="Hidden">The hidden state, [1, streams, hidden].</param>
/// <param name="Cell">The cell state, [1, streams, hidden].</param>
internal sealed record LstmState(Tensor Hidden, Tensor Cell) : IDisposable
{
    /// <summary>The state before any token.</summary>
    public static LstmState Zero(int streams, int hiddenSize) => new(zeros(1, streams, hiddenSize), zeros(1, streams, hiddenSize));

    /// <summary>Takes over another state, of which no gradient goes back.</summary>
    public void CopyFrom(LstmState other)
    {
        using var noGradient = no_grad();
        Hidden.copy_(other.Hidden);
        Cell.copy_(other.Cell);
    }

    /// <summary>Forgets all streams.</summary>
    public void Clear()
    {
        Hidden.zero_();
        Cell.zero_();
    }

    public void Dispose()
    {
        Hidden.Dispose();
        Cell.Dispose();
    }
}
