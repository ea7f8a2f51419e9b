namespace AdaptiveSoftmax;

/// <summary>One tail cluster: a projection to a narrower width, and a linear layer over the cluster's tokens.</summary>
public abstract class TailLayer : IDecodingPart, ITrainingPart, IDisposable
{
    private protected TailLayer(Parameter projection, Parameter output)
    {
        Projection = projection;
        Output = output;
    }

    /// <summary><c>tail.{i}.0.weight</c>, [width, hidden].</summary>
    public Parameter Projection { get; }

    /// <summary><c>tail.{i}.1.weight</c>, [tokens of the cluster, width].</summary>
    public Parameter Output { get; }

    /// <summary>Releases the weights.</summary>
    public void Dispose()
    {
        Projection.Dispose();
        Output.Dispose();
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

    /// <summary>Projects the input vectors, [hidden, lanes], and computes the logits of the cluster's tokens.</summary>
    internal abstract unsafe void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum);

    /// <summary>After <see cref="Forward"/>: adds to the gradients of output and projection and sets that of the input where it is wanted.</summary>
    internal abstract unsafe void Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient);

    /// <summary>The logits of one token over the cluster, [tokens of the cluster], and their log-sum-exp.</summary>
    internal abstract unsafe float ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits);

    /// <summary>After <see cref="ForwardOne"/>: the largest log-prob of the first <paramref name="rows"/> tokens of the cluster and the first token that has it.</summary>
    internal abstract unsafe float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row);
}

/// <summary>A tail whose sizes are those of its type arguments; generated tails derive from it.</summary>
/// <typeparam name="TProjection">[width, hidden].</typeparam>
/// <typeparam name="TOutput">[tokens of the cluster, width].</typeparam>
public class TailLayer<TProjection, TOutput> : TailLayer
    where TProjection : unmanaged, IMatrixShape
    where TOutput : unmanaged, IMatrixShape
{
    private readonly TProjection _projectionShape;
    private readonly LinearSoftmax<TOutput> _softmax;

    /// <summary>Creates a tail of zeros.</summary>
    /// <param name="cluster">The cluster's number, from 0, in its parameters' names.</param>
    /// <param name="projection">[width, hidden].</param>
    /// <param name="output">[tokens of the cluster, width].</param>
    /// <exception cref="ArgumentException">The projection does not give what the output takes.</exception>
    public TailLayer(int cluster, TProjection projection, TOutput output)
        : this(
            projection,
            output,
            new Parameter($"tail.{cluster}.0.weight", projection.Rows, projection.Columns),
            new Parameter($"tail.{cluster}.1.weight", output.Rows, output.Columns))
    {
    }

    /// <summary>A tail with given weights.</summary>
    internal TailLayer(TProjection projection, TOutput output, Parameter projectionWeight, Parameter outputWeight)
        : base(projectionWeight, outputWeight)
    {
        if (projection.Rows != output.Columns)
            throw new ArgumentException($"The projection '{projectionWeight.Name}' gives {projection.Rows} values and its output takes {output.Columns}; they must agree.", nameof(output));
        _projectionShape = projection;
        _softmax = new LinearSoftmax<TOutput>(output, Output, bias: null);
    }

    internal override unsafe void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum)
    {
        var projected = scratch.Floats(ScratchBuffer.ProjectedLanes, (long)_projectionShape.Rows * lanes);
        Gemm.Multiply(
            pool, Projection.ValuesPointer, _projectionShape.Columns, 1, inputs, lanes, projected, lanes,
            _projectionShape.Rows, lanes, _projectionShape.Columns, accumulate: false, rowsPerPart: 16, columnsPerPart: 64);
        _softmax.Forward(pool, scratch, projected, lanes, withLogitSum);
    }

    internal override unsafe void Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient)
    {
        int width = _projectionShape.Rows, hidden = _projectionShape.Columns;
        var projectedRows = scratch.Floats(ScratchBuffer.ProjectedRows, (long)lanes * width);
        Transpose.FromLanes(scratch.Floats(ScratchBuffer.ProjectedLanes, (long)width * lanes), lanes, tokens, width, projectedRows, width);
        var rowGradient = scratch.Floats(ScratchBuffer.ProjectedRowGradient, (long)lanes * width);
        _softmax.Backward(pool, scratch, projectedRows, tokens, lanes, rowGradient);

        // dP += dyᵀ · X and dX = dy · P, with dy the gradient of the projected vectors.
        var adds = Projection.HasGradient;
        if (Projection.TouchGradient() is var projectionGradient && projectionGradient is not null)
        {
            Gemm.Multiply(
                pool, rowGradient, 1, width, inputRows, hidden, projectionGradient, hidden,
                width, hidden, tokens, adds, rowsPerPart: 16, columnsPerPart: 256);
        }

        if (inputGradient is null) return;
        Gemm.Multiply(
            pool, rowGradient, width, 1, Projection.ValuesPointer, hidden, inputGradient, hidden,
            tokens, hidden, width, accumulate: false, rowsPerPart: tokens, columnsPerPart: 64);
    }

    internal override unsafe float ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits)
    {
        var projected = scratch.Floats(ScratchBuffer.ProjectedLanes, _projectionShape.Rows);
        Gemv.Multiply(pool, _projectionShape, Projection.ValuesPointer, hidden, projected);
        return _softmax.ForwardOne(pool, scratch, projected, logits);
    }

    internal override unsafe float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row) =>
        _softmax.BestOne(scratch, logits, rows, logSumExp, cluster, out row);
}
