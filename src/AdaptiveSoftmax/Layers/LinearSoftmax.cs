namespace AdaptiveSoftmax;

/// <summary>
/// A linear layer under a log-softmax, for one block of tokens at a time: logits and log-sum-exp, and from them the
/// gradients of weight, bias and input. The head is one, and so is the output of each tail.
/// </summary>
/// <remarks>
/// The loss of a lane is −Σ_r c_r · log softmax_r with weights c: the target's own, and a uniform one that label
/// smoothing gives each row. Its gradient by the logits is softmax · Σ c − c.
/// </remarks>
internal sealed unsafe partial class LinearSoftmax<TShape>(TShape shape, Parameter weight, Parameter? bias)
    where TShape : unmanaged, IMatrixShape
{
    private const int RowsPerPart = TokenBlocks.RowsPerPart;

    // Each group of rows sums its own share of the input's gradient, so that a part's logits and weights are used while
    // they are in the cache. More groups busy more threads; their shares together should stay in the cache as well. The
    // shape alone decides, so that neither threads nor blocks change a bit.
    private const int MaximumGroups = 32;
    private const int MaximumShareFloats = 1 << 21;

    private static int PartCount(TShape shape) => (shape.Rows + RowsPerPart - 1) / RowsPerPart;

    /// <summary>
    /// Rows from <see cref="FirstGroupRow"/> on stand for groups of tokens (the head's cluster rows); label smoothing
    /// weighs each by the size of its group.
    /// </summary>
    public int[] GroupSizes { get; init; } = [];

    private int FirstGroupRow => shape.Rows - GroupSizes.Length;

    /// <summary>Logits = weight · inputs + bias, [rows, lanes].</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Receives the logits, the maximum of each part and the log-sum-exp.</param>
    /// <param name="inputs">The input vectors, [columns, lanes].</param>
    /// <param name="lanes">The lanes, a multiple of <see cref="TokenBlocks.LaneMultiple"/>.</param>
    /// <param name="withLogitSum">Whether to sum the logits of each lane, weighted as label smoothing weighs them.</param>
    public void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum)
    {
        var parts = PartCount(shape);
        fixed (int* groupSizes = GroupSizes)
        {
            var body = new ForwardBody
            {
                Shape = shape,
                Weight = weight.ValuesPointer,
                Bias = bias is null ? null : bias.ValuesPointer,
                Inputs = inputs,
                Lanes = lanes,
                Logits = scratch.Floats(ScratchBuffer.Logits, (long)shape.Rows * lanes),
                Maximum = scratch.Floats(ScratchBuffer.PartMaximum, (long)parts * lanes),
                Sum = scratch.Floats(ScratchBuffer.PartSum, (long)parts * lanes),
                LogitSum = withLogitSum ? scratch.Floats(ScratchBuffer.PartLogitSum, (long)parts * lanes) : null,
                GroupSizes = groupSizes,
                FirstGroupRow = FirstGroupRow,
            };
            pool.Run(ref body, parts);
            CombineLogSumExp(body.Maximum, body.Sum, parts, lanes, scratch.Floats(ScratchBuffer.LogSumExp, lanes));
            if (withLogitSum) CombineSums(body.LogitSum, parts, lanes, scratch.Doubles(ScratchBuffer.LogitSum, lanes));
        }
    }

    /// <summary>
    /// Turns the logits into their gradient, adds to the gradients of weight and bias, and sets the gradient of the input.
    /// </summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Holds logits, log-sum-exp and the weights of the loss.</param>
    /// <param name="inputRows">The input vectors, [tokens, columns].</param>
    /// <param name="tokens">The tokens, at most <paramref name="lanes"/>.</param>
    /// <param name="lanes">The lanes.</param>
    /// <param name="inputGradient">Receives the gradient of the input, [lanes, columns]; null where nobody wants it.</param>
    public void Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient)
    {
        var groups = (int)Math.Clamp(MaximumShareFloats / ((long)TokenBlocks.MaximumLanes * shape.Columns), 1, MaximumGroups);
        var rowsPerGroup = ((shape.Rows + groups - 1) / groups + 3) / 4 * 4;
        groups = (shape.Rows + rowsPerGroup - 1) / rowsPerGroup;
        var shareLength = (nint)tokens * shape.Columns;
        fixed (int* groupSizes = GroupSizes)
        {
            var body = new GradientBody
            {
                Shape = shape,
                Logits = scratch.Floats(ScratchBuffer.Logits, (long)shape.Rows * lanes),
                Weight = weight.ValuesPointer,
                InputRows = inputRows,
                // What nothing was added to yet is written without being read.
                AddsToWeight = weight.HasGradient,
                AddsToBias = bias is { HasGradient: true },
                WeightGradient = weight.TouchGradient(),
                BiasGradient = bias is null ? null : bias.TouchGradient(),
                LogSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes),
                TotalWeight = scratch.Floats(ScratchBuffer.TotalWeight, lanes),
                UniformWeight = scratch.Floats(ScratchBuffer.UniformWeight, lanes),
                TargetWeight = scratch.Floats(ScratchBuffer.TargetWeight, lanes),
                TargetRow = scratch.Ints(ScratchBuffer.TargetRow, lanes),
                Shares = inputGradient is null ? null : scratch.Floats(ScratchBuffer.InputGradientShares, groups * shareLength),
                RowsPerGroup = rowsPerGroup,
                Tokens = tokens,
                Lanes = lanes,
                GroupSizes = groupSizes,
                FirstGroupRow = FirstGroupRow,
            };
            pool.Run(ref body, groups);
            if (inputGradient is not null) AddShares(pool, body.Shares, shareLength, groups, inputGradient);
        }
    }

    // The shares in ascending order, so that the sum has the same bits whoever made them.
    private static void AddShares(WorkerPool pool, float* shares, nint length, int groups, float* inputGradient)
    {
        var body = new ShareBody { Shares = shares, Length = length, Groups = groups, Sum = inputGradient };
        pool.Run(ref body, (int)((length + ShareBody.PerPart - 1) / ShareBody.PerPart));
    }

    // log Σ exp over the parts in ascending order, in double precision.
    internal static void CombineLogSumExp(float* maximum, float* sum, int parts, int lanes, float* logSumExp)
    {
        for (var lane = 0; lane < lanes; lane++)
        {
            var top = float.NegativeInfinity;
            for (var part = 0; part < parts; part++) top = MathF.Max(top, maximum[((nint)part * lanes) + lane]);
            var total = 0.0;
            for (var part = 0; part < parts; part++)
            {
                var at = ((nint)part * lanes) + lane;
                total += sum[at] * Math.Exp((double)maximum[at] - top);
            }

            logSumExp[lane] = (float)(top + Math.Log(total));
        }
    }

    private static void CombineSums(float* sums, int parts, int lanes, double* total)
    {
        for (var lane = 0; lane < lanes; lane++)
        {
            total[lane] = 0;
            for (var part = 0; part < parts; part++) total[lane] += sums[((nint)part * lanes) + lane];
        }
    }

    private struct ForwardBody : IParallelBody
    {
        public TShape Shape;
        public float* Weight, Bias, Inputs, Logits, Maximum, Sum, LogitSum;
        public int* GroupSizes;
        public int Lanes, FirstGroupRow;

        public readonly void Run(int part)
        {
            var first = part * RowsPerPart;
            var rows = Math.Min(RowsPerPart, Shape.Rows - first);
            var logits = Logits + ((nint)first * Lanes);
            for (var row = 0; row < rows && Bias is not null; row++) new Span<float>(logits + ((nint)row * Lanes), Lanes).Fill(Bias[first + row]);
            Gemm.MultiplyOnThisThread(
                Weight + ((nint)first * Shape.Columns), Shape.Columns, 1, Inputs, Lanes, logits, Lanes, rows, Lanes, Shape.Columns, accumulate: Bias is not null);
            SoftmaxKernel.BlockStatistics(logits, Lanes, rows, Maximum + ((nint)part * Lanes), Sum + ((nint)part * Lanes));
            if (LogitSum is not null) SumLogits(logits, first, rows, LogitSum + ((nint)part * Lanes));
        }

        private readonly void SumLogits(float* logits, int first, int rows, float* sums)
        {
            new Span<float>(sums, Lanes).Clear();
            for (var row = 0; row < rows; row++, logits += Lanes)
            {
                var group = first + row - FirstGroupRow;
                if (group < 0) Vectors.Add(sums, logits, Lanes);
                for (var lane = 0; lane < Lanes && group >= 0; lane++) sums[lane] += GroupSizes[group] * logits[lane];
            }
        }
    }

    private struct ShareBody : IParallelBody
    {
        public const int PerPart = 1 << 13;
        public float* Shares, Sum;
        public nint Length;
        public int Groups;

        public readonly void Run(int part)
        {
            var start = (nint)part * PerPart;
            var count = (int)Math.Min(PerPart, Length - start);
            var sum = new Span<float>(Sum + start, count);
            new ReadOnlySpan<float>(Shares + start, count).CopyTo(sum);
            for (var group = 1; group < Groups; group++) Vectors.Add(Sum + start, Shares + (group * Length) + start, count);
        }
    }

    private struct GradientBody : IParallelBody
    {
        public TShape Shape;
        public float* Logits, Weight, InputRows, WeightGradient, BiasGradient, LogSumExp, TotalWeight, UniformWeight, TargetWeight, Shares;
        public int* TargetRow;
        public int* GroupSizes;
        public int RowsPerGroup, Tokens, Lanes, FirstGroupRow;
        public bool AddsToWeight, AddsToBias;

        public readonly void Run(int group)
        {
            var groupStart = group * RowsPerGroup;
            var groupEnd = Math.Min(Shape.Rows, groupStart + RowsPerGroup);
            var share = Shares + ((nint)group * Tokens * Shape.Columns);
            for (var first = groupStart; first < groupEnd; first += RowsPerPart)
            {
                var rows = Math.Min(RowsPerPart, groupEnd - first);
                var gradient = Logits + ((nint)first * Lanes);
                LogitGradient(gradient, first, rows);
                if (WeightGradient is not null)
                {
                    Gemm.MultiplyOnThisThread(
                        gradient, Lanes, 1, InputRows, Shape.Columns, WeightGradient + ((nint)first * Shape.Columns), Shape.Columns,
                        rows, Shape.Columns, Tokens, AddsToWeight);
                }

                if (Shares is not null)
                {
                    Gemm.MultiplyOnThisThread(
                        gradient, 1, Lanes, Weight + ((nint)first * Shape.Columns), Shape.Columns, share, Shape.Columns,
                        Tokens, Shape.Columns, rows, accumulate: first > groupStart);
                }

                if (BiasGradient is not null) AddBiasGradient(gradient, first, rows);
            }
        }

        private readonly void LogitGradient(float* gradient, int first, int rows)
        {
            var plain = Math.Clamp(FirstGroupRow - first, 0, rows);
            SoftmaxKernel.Gradient(gradient, Lanes, plain, LogSumExp, TotalWeight, UniformWeight, rowWeight: 1);
            for (var row = plain; row < rows; row++)
                SoftmaxKernel.Gradient(gradient + ((nint)row * Lanes), Lanes, 1, LogSumExp, TotalWeight, UniformWeight, GroupSizes[first + row - FirstGroupRow]);
            for (var token = 0; token < Tokens; token++)
            {
                var row = TargetRow[token] - first;
                if ((uint)row < (uint)rows) gradient[((nint)row * Lanes) + token] -= TargetWeight[token];
            }
        }

        // Token after token, so that the sum has the same bits wherever blocks end; four rows hide the time of an addition.
        private readonly void AddBiasGradient(float* gradient, int first, int rows)
        {
            var sums = BiasGradient + first;
            if (!AddsToBias) new Span<float>(sums, rows).Clear();
            var row = 0;
            for (; row + 4 <= rows; row += 4, gradient += 4 * (nint)Lanes)
            {
                float s0 = sums[row], s1 = sums[row + 1], s2 = sums[row + 2], s3 = sums[row + 3];
                for (var token = 0; token < Tokens; token++)
                {
                    s0 += gradient[token];
                    s1 += gradient[token + Lanes];
                    s2 += gradient[token + (2 * Lanes)];
                    s3 += gradient[token + (3 * Lanes)];
                }

                (sums[row], sums[row + 1], sums[row + 2], sums[row + 3]) = (s0, s1, s2, s3);
            }

            for (; row < rows; row++, gradient += Lanes)
            {
                for (var token = 0; token < Tokens; token++) sums[row] += gradient[token];
            }
        }
    }
}
