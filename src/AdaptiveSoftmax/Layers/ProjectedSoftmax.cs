namespace AdaptiveSoftmax;

/// <summary>A projection under another cluster, most often a <see cref="LinearSoftmax{TShape}"/> without a bias: what a tail computes.</summary>
internal sealed unsafe class ProjectedSoftmax<TProjection>(TProjection shape, Parameter projection, ITrainingCluster output) : ITrainingCluster
    where TProjection : unmanaged, IMatrixShape
{
    public LogitBlock Forward(WorkerPool pool, Scratch scratch, Scratch results, float* inputs, int lanes, bool withLogitSum)
    {
        var projected = Project(pool, results, inputs, lanes);
        return output.Forward(pool, scratch, results, projected, lanes, withLogitSum) with { Projected = projected };
    }

    LogitBlock IDecodingCluster.Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes) =>
        output.Forward(pool, scratch, Project(pool, scratch, inputs, lanes), lanes);

    public LogitBlock ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits)
    {
        var projected = scratch.Floats(shape.Rows);
        Gemv.Multiply(pool, shape, projection.ValuesPointer, hidden, projected);
        return output.ForwardOne(pool, scratch, projected, logits);
    }

    public void ExpectTargets(int* rows, int tokens) => output.ExpectTargets(rows, tokens);

    public void Backward(WorkerPool pool, Scratch scratch, in LogitBlock logits, in RowWeights weights, float* inputRows, int tokens, float* inputGradient)
    {
        int width = shape.Rows, hidden = shape.Columns;
        var passesOn = inputGradient is not null || projection.LearnsFromBackward;
        var projectedRows = scratch.Floats((long)logits.Lanes * width);
        Transpose.FromLanes(pool, logits.Projected, logits.Lanes, tokens, width, projectedRows, width);
        var rowGradient = passesOn ? scratch.Floats((long)logits.Lanes * width) : null;
        output.Backward(pool, scratch, logits, weights, projectedRows, tokens, rowGradient);
        if (!passesOn) return;

        // dP += dyᵀ · X and dX = dy · P, with dy the gradient of the projected vectors.
        var adds = projection.HasGradient;
        if (projection.TouchGradientPointer() is var projectionGradient && projectionGradient is not null)
        {
            Gemm.Multiply(
                pool, rowGradient, 1, width, inputRows, hidden, projectionGradient, hidden,
                width, hidden, tokens, adds, rowsPerTile: 16, columnsPerTile: 256);
        }

        if (inputGradient is null) return;
        Gemm.Multiply(
            pool, rowGradient, width, 1, projection.ValuesPointer, hidden, inputGradient, hidden,
            tokens, hidden, width, accumulate: false, rowsPerTile: tokens, columnsPerTile: 64);
    }

    private float* Project(WorkerPool pool, Scratch results, float* inputs, int lanes)
    {
        var projected = results.Floats((long)shape.Rows * lanes);
        Gemm.Multiply(
            pool, projection.ValuesPointer, shape.Columns, 1, inputs, lanes, projected, lanes,
            shape.Rows, lanes, shape.Columns, accumulate: false, rowsPerTile: 16, columnsPerTile: 64);
        return projected;
    }
}
