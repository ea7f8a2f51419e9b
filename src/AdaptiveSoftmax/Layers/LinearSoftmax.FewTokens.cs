namespace AdaptiveSoftmax;

internal sealed unsafe partial class LinearSoftmax<TShape>
{
    /// <inheritdoc/>
    public LogitBlock ForwardOne(WorkerPool pool, Scratch scratch, float* input, float* logits) =>
        MultiplyFew(pool, scratch, scratch, input, tokens: 1, anyWidth: true, logits, withLogitSum: false);

    // Forward of few tokens, one product each.
    private LogitBlock ForwardFew(WorkerPool pool, Scratch scratch, Scratch results, float* inputs, int tokens, bool withLogitSum)
    {
        var rows = scratch.Floats((long)tokens * shape.Columns);
        Transpose.FromLanes(inputs, tokens, tokens, shape.Columns, rows, shape.Columns);
        return MultiplyFew(pool, scratch, results, rows, tokens, anyWidth: false, results.Floats((long)shape.Rows * tokens), withLogitSum);
    }

    private int FewTileCount => (shape.Rows + Gemv.RowsPerTile(shape) - 1) / Gemv.RowsPerTile(shape);

    // Each tile of rows is reduced while it is in the cache.
    private LogitBlock MultiplyFew(
        WorkerPool pool, Scratch scratch, Scratch results, float* inputs, int tokens, bool anyWidth, float* logits, bool withLogitSum)
    {
        var tiles = FewTileCount;
        fixed (int* groupSizes = GroupSizes)
        {
            var body = new FewTokensBody
            {
                Shape = shape,
                Weight = weight.ValuesPointer,
                Bias = bias is null ? null : bias.ValuesPointer,
                Inputs = inputs,
                Tokens = tokens,
                AnyWidth = anyWidth,
                Logits = logits,
                Maximum = scratch.Floats((long)tiles * tokens),
                Sum = scratch.Floats((long)tiles * tokens),
                LogitSum = withLogitSum ? scratch.Floats((long)tiles * tokens) : null,
                GroupSizes = groupSizes,
                FirstGroupRow = FirstGroupRow,
                Map = Map,
            };
            pool.Run(ref body, tiles);
            return Summarize(pool, scratch, results, logits, body.Maximum, body.Sum, body.LogitSum, tiles, tokens, Gemv.RowsPerTile(shape));
        }
    }

    private struct FewTokensBody : IParallelBody
    {
        public TShape Shape;
        public float* Weight, Bias, Inputs, Logits, Maximum, Sum, LogitSum;
        public int* GroupSizes;
        public int Tokens, FirstGroupRow;
        public LogitMap Map;

        // Decoding takes the widest vectors. The bits of training must not depend on the machine's, and these sums run along
        // a vector; vectors of four are hardly slower, since the weights come from memory.
        public bool AnyWidth;

        public readonly void Run(int tile)
        {
            var first = tile * Gemv.RowsPerTile(Shape);
            var rows = Math.Min(Gemv.RowsPerTile(Shape), Shape.Rows - first);
            for (var token = 0; token < Tokens; token++)
            {
                var all = Logits + ((nint)token * Shape.Rows);
                var logits = all + first;
                var at = ((nint)tile * Tokens) + token;
                var input = Inputs + ((nint)token * Shape.Columns);
                if (AnyWidth) Gemv.MultiplyRows(Shape, Weight, input, all, first, first + rows);
                else Gemv.MultiplyRows<Simd128, TShape>(Shape, Weight, input, all, first, first + rows);
                if (Bias is not null) Vectors.Add(logits, Bias + first, rows);
                Map.Apply(logits, rows);
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
