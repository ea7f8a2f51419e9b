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
        float logSumExp;
        MultiplyFew(pool, scratch, input, tokens: 1, anyWidth: true, logits, logitSum: null, groupSizes: null, &logSumExp);
        return logSumExp;
    }

    /// <summary>After <see cref="ForwardOne"/>: the largest log-prob of the first <paramref name="rows"/> rows.</summary>
    public float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row) =>
        BestScore.Find(logits, scratch.Floats(ScratchBuffer.PartMaximum, 1), lanes: 1, Gemv.RowsPerPart(shape), rows, logSumExp, cluster, out row);

    // Forward of few tokens, one product each.
    private void ForwardFew(WorkerPool pool, Scratch scratch, float* inputs, int tokens, bool withLogitSum)
    {
        var parts = FewPartCount;
        var rows = scratch.Floats(ScratchBuffer.FewRows, (long)tokens * shape.Columns);
        Transpose.FromLanes(inputs, tokens, tokens, shape.Columns, rows, shape.Columns);
        var logits = scratch.Floats(ScratchBuffer.Logits, (long)shape.Rows * tokens);
        var sums = withLogitSum ? scratch.Floats(ScratchBuffer.PartLogitSum, (long)parts * tokens) : null;
        fixed (int* groupSizes = GroupSizes)
        {
            MultiplyFew(pool, scratch, rows, tokens, anyWidth: false, logits, sums, groupSizes, scratch.Floats(ScratchBuffer.LogSumExp, tokens));
        }

        if (withLogitSum) CombineSums(sums, parts, tokens, scratch.Doubles(ScratchBuffer.LogitSum, tokens));
    }

    private int FewPartCount => (shape.Rows + Gemv.RowsPerPart(shape) - 1) / Gemv.RowsPerPart(shape);

    private void MultiplyFew(
        WorkerPool pool, Scratch scratch, float* inputs, int tokens, bool anyWidth, float* logits, float* logitSum, int* groupSizes, float* logSumExp)
    {
        var parts = FewPartCount;
        var body = new FewTokensBody
        {
            Shape = shape,
            Weight = weight.ValuesPointer,
            Bias = bias is null ? null : bias.ValuesPointer,
            Inputs = inputs,
            Tokens = tokens,
            AnyWidth = anyWidth,
            Logits = logits,
            Maximum = scratch.Floats(ScratchBuffer.PartMaximum, (long)parts * tokens),
            Sum = scratch.Floats(ScratchBuffer.PartSum, (long)parts * tokens),
            LogitSum = logitSum,
            GroupSizes = groupSizes,
            FirstGroupRow = FirstGroupRow,
        };
        pool.Run(ref body, parts);
        CombineLogSumExp(pool, body.Maximum, body.Sum, parts, tokens, logSumExp);
    }

    private struct FewTokensBody : IParallelBody
    {
        public TShape Shape;
        public float* Weight, Bias, Inputs, Logits, Maximum, Sum, LogitSum;
        public int* GroupSizes;
        public int Tokens, FirstGroupRow;

        // Decoding takes the widest vectors. The bits of training must not depend on the machine's, and these sums run along
        // a vector; vectors of four are hardly slower, since the weights come from memory.
        public bool AnyWidth;

        public readonly void Run(int part)
        {
            var first = part * Gemv.RowsPerPart(Shape);
            var rows = Math.Min(Gemv.RowsPerPart(Shape), Shape.Rows - first);
            for (var token = 0; token < Tokens; token++)
            {
                var all = Logits + ((nint)token * Shape.Rows);
                var logits = all + first;
                var at = ((nint)part * Tokens) + token;
                var input = Inputs + ((nint)token * Shape.Columns);
                if (AnyWidth) Gemv.MultiplyRows(Shape, Weight, input, all, first, first + rows);
                else Gemv.MultiplyRows<Simd128, TShape>(Shape, Weight, input, all, first, first + rows);
                if (Bias is not null) Vectors.Add(logits, Bias + first, rows);
                Maximum[at] = SoftmaxKernel.Maximum(logits, rows);
                Sum[at] = AnyWidth ? SoftmaxKernel.SumExp(logits, rows, Maximum[at]) : SoftmaxKernel.SumExp<Simd128>(logits, rows, Maximum[at]);
                if (LogitSum is not null) LogitSum[at] = (float)SumLogits(logits, first, rows);
            }
        }

        private readonly double SumLogits(float* logits, int first, int rows)
        {
            var sum = 0.0;
            for (var row = 0; row < rows; row++)
            {
                var group = first + row - FirstGroupRow;
                sum += group < 0 ? logits[row] : (double)GroupSizes[group] * logits[row];
            }

            return sum;
        }
    }
}
