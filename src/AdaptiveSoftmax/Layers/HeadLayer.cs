namespace AdaptiveSoftmax;

/// <summary>
/// The head of an adaptive softmax: one linear layer over the shortlist's tokens and one row for each tail cluster.
/// </summary>
public abstract class HeadLayer : IDecodingPart, ITrainingPart, IDisposable
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

    /// <summary>Releases the weights.</summary>
    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
        GC.SuppressFinalize(this);
    }

    unsafe void IDecodingPart.Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes) =>
        Forward(pool, scratch, inputs, lanes, withLogitSum: false);

    unsafe float IDecodingPart.ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits) =>
        ForwardOne(pool, scratch, hidden, logits);

    unsafe float IDecodingPart.BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row) =>
        BestOne(scratch, logits, rows, logSumExp, cluster, out row);

    unsafe void ITrainingPart.Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum) =>
        Forward(pool, scratch, inputs, lanes, withLogitSum);

    unsafe void ITrainingPart.Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient) =>
        Backward(pool, scratch, inputRows, tokens, lanes, inputGradient);

    /// <summary>Tells the size of each tail cluster, whose rows are the last of the head.</summary>
    internal abstract void SetClusterSizes(int[] sizes);

    /// <inheritdoc cref="LinearSoftmax{TShape}.Forward"/>
    internal abstract unsafe void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum);

    /// <inheritdoc cref="LinearSoftmax{TShape}.Backward"/>
    internal abstract unsafe void Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient);

    /// <inheritdoc cref="LinearSoftmax{TShape}.ForwardOne"/>
    internal abstract unsafe float ForwardOne(WorkerPool pool, Scratch scratch, float* input, float* logits);

    /// <inheritdoc cref="LinearSoftmax{TShape}.BestOne"/>
    internal abstract unsafe float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row);
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

    internal override void SetClusterSizes(int[] sizes) =>
        _softmax = new LinearSoftmax<TShape>(_shape, Weight, Bias) { GroupSizes = sizes };

    internal override unsafe void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum) =>
        _softmax.Forward(pool, scratch, inputs, lanes, withLogitSum);

    internal override unsafe void Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient) =>
        _softmax.Backward(pool, scratch, inputRows, tokens, lanes, inputGradient);

    internal override unsafe float ForwardOne(WorkerPool pool, Scratch scratch, float* input, float* logits) =>
        _softmax.ForwardOne(pool, scratch, input, logits);

    internal override unsafe float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row) =>
        _softmax.BestOne(scratch, logits, rows, logSumExp, cluster, out row);
}
