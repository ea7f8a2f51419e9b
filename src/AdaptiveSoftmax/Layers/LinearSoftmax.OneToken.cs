namespace AdaptiveSoftmax;

internal sealed unsafe partial class LinearSoftmax<TShape>
{
    /// <summary>
    /// The logits of one token, [rows], and their log-sum-exp. Each part of rows is reduced while it is in the cache.
    /// </summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Receives the maximum of each part.</param>
    /// <param name="input">The input vector, [columns].</param>
    /// <param name="logits">Receives the logits, [rows].</param>
    public float ForwardOne(WorkerPool pool, Scratch scratch, float* input, float* logits)
    {
        var parts = (shape.Rows + Gemv.RowsPerPart(shape) - 1) / Gemv.RowsPerPart(shape);
        var body = new OneTokenBody
        {
            Shape = shape,
            Weight = weight.ValuesPointer,
            Bias = bias is null ? null : bias.ValuesPointer,
            Input = input,
            Logits = logits,
            Maximum = scratch.Floats(ScratchBuffer.PartMaximum, parts),
            Sum = scratch.Floats(ScratchBuffer.PartSum, parts),
        };
        pool.Run(ref body, parts);
        float logSumExp;
        CombineLogSumExp(body.Maximum, body.Sum, parts, lanes: 1, &logSumExp);
        return logSumExp;
    }

    /// <summary>After <see cref="ForwardOne"/>: the largest log-prob of the first <paramref name="rows"/> rows.</summary>
    public float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row) =>
        BestScore.Find(logits, scratch.Floats(ScratchBuffer.PartMaximum, 1), lanes: 1, Gemv.RowsPerPart(shape), rows, logSumExp, cluster, out row);

    private struct OneTokenBody : IParallelBody
    {
        public TShape Shape;
        public float* Weight, Bias, Input, Logits, Maximum, Sum;

        public readonly void Run(int part)
        {
            var first = part * Gemv.RowsPerPart(Shape);
            var rows = Math.Min(Gemv.RowsPerPart(Shape), Shape.Rows - first);
            Gemv.MultiplyRows(Shape, Weight, Input, Logits, first, first + rows);
            var logits = Logits + first;
            if (Bias is not null) Vectors.Add(logits, Bias + first, rows);
            Maximum[part] = SoftmaxKernel.Maximum(logits, rows);
            Sum[part] = SoftmaxKernel.SumExp(logits, rows, Maximum[part]);
        }
    }
}
