using static TorchSharp.torch;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace TorchLstmSample;

/// <summary>
/// Embeddings, of which a step touches those of its batch alone: they are a small parameter of their own, and Adagrad moves
/// the table's rows by its gradient. The optimizers of torch.optim would go through the whole table at every step, and take
/// no sparse gradient.
/// </summary>
internal sealed class EmbeddingTable : IDisposable
{
    // Small next to what training makes of them: tokens that are hardly ever seen then say hardly anything.
    private const double Bound = 0.05;

    private const double Epsilon = 1e-10;

    public EmbeddingTable(int rows, int size)
    {
        Values = nn.init.uniform_(empty(rows, size), -Bound, Bound).DetachFromDisposeScope();
        SquareSums = zeros(rows, size).DetachFromDisposeScope();
    }

    /// <summary>The embeddings, [rows, size].</summary>
    public Tensor Values { get; }

    /// <summary>Adagrad's sums of squared gradients, [rows, size].</summary>
    public Tensor SquareSums { get; }

    /// <summary>The embeddings of slots, in the shape of the slots with one dimension more. They have no gradient.</summary>
    public Tensor Find(Tensor slots) => Arrange(Values, Rows(slots), slots);

    /// <summary>The embeddings of a batch, which collect a gradient.</summary>
    /// <param name="slots">Slots of any shape, int64.</param>
    public EmbeddedBatch Take(Tensor slots)
    {
        var (rows, places, _) = Rows(slots).unique(return_inverse: true);
        var values = new TorchParameter(Values.index_select(0, rows));
        return new EmbeddedBatch(rows, values, Arrange(values, places!, slots));
    }

    /// <summary>Takes a step of Adagrad on the rows of a batch.</summary>
    public void Step(EmbeddedBatch batch, double rate)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var gradient = batch.Values.grad!;
        SquareSums.index_add_(0, batch.Rows, gradient * gradient, 1);
        var scale = SquareSums.index_select(0, batch.Rows).sqrt_().add_(Epsilon);
        Values.index_add_(0, batch.Rows, gradient / scale, -rate);
    }

    public void Dispose()
    {
        Values.Dispose();
        SquareSums.Dispose();
    }

    private Tensor Rows(Tensor slots) => slots.reshape(-1).clamp_max(Values.shape[0] - 1);

    private static Tensor Arrange(Tensor values, Tensor places, Tensor slots) => values.index_select(0, places.reshape(-1)).reshape([.. slots.shape, values.shape[1]]);
}

/// <summary>The embeddings of a batch.</summary>
/// <param name="Rows">The rows of the table that it needs, each once, [distinct].</param>
/// <param name="Values">Their values, [distinct, size].</param>
/// <param name="Embedded">The embeddings where the batch has them.</param>
internal sealed record EmbeddedBatch(Tensor Rows, TorchParameter Values, Tensor Embedded);
