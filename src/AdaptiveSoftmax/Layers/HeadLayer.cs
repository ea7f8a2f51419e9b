using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The head of an adaptive softmax: one linear layer over the shortlist's tokens and one row for each tail cluster.
/// </summary>
public abstract class HeadLayer : IDisposable
{
    private protected HeadLayer(Parameter weight, Parameter? bias)
    {
        Weight = weight;
        Bias = bias;
    }

    /// <summary><c>head.weight</c>, [shortlist + clusters, hidden].</summary>
    public Parameter Weight { get; }

    /// <summary><c>head.bias</c>, [shortlist + clusters]; null where the head has none.</summary>
    public Parameter? Bias { get; }

    /// <summary>What computes with the weights.</summary>
    internal abstract ITrainingCluster Cluster { get; }

    /// <summary>Releases the weights.</summary>
    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Tells the sizes of the tail clusters, whose rows are the last of the head, and what becomes of logits.</summary>
    internal abstract void SetLayout(SoftmaxLayout layout);
}

/// <summary>A head whose sizes are those of <typeparamref name="TShape"/>; generated heads derive from it.</summary>
/// <typeparam name="TShape">[shortlist + clusters, hidden].</typeparam>
public class HeadLayer<TShape> : HeadLayer
    where TShape : unmanaged, IMatrixShape
{
    private readonly TShape _shape;
    private LinearSoftmax<TShape> _softmax;

    /// <summary>Creates a head of zeros.</summary>
    /// <param name="shape">[shortlist + clusters, hidden].</param>
    /// <param name="hasBias">Whether it has a bias, PyTorch's <c>head_bias</c>.</param>
    public HeadLayer(TShape shape, bool hasBias)
        : this(shape, new Parameter("head.weight", shape.Rows, shape.Columns), hasBias ? Parameter.CreateVector("head.bias", shape.Rows) : null)
    {
    }

    /// <summary>A head with given weights.</summary>
    internal HeadLayer(TShape shape, Parameter weight, Parameter? bias)
        : base(weight, bias)
    {
        _shape = shape;
        _softmax = new LinearSoftmax<TShape>(shape, Weight, Bias);
    }

    internal override ITrainingCluster Cluster => _softmax;

    internal override void SetLayout(SoftmaxLayout layout) =>
        _softmax = new LinearSoftmax<TShape>(_shape, Weight, Bias) { GroupSizes = [.. layout.Tails.Select(tail => tail.Size)], Map = LogitMap.Of(layout) };
}
