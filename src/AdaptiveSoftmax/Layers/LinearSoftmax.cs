using System.Buffers;

namespace AdaptiveSoftmax;

/// <summary>
/// A linear layer under a log-softmax, for one block of tokens at a time: logits and log-sum-exp, and from them the
/// gradients of weight, bias and input. The head is one, and so is the output of each tail.
/// </summary>
/// <remarks>
/// The loss of a lane is −Σ_r c_r · log softmax_r with weights c: the target's own, and a uniform one that label
/// smoothing gives each row. Its gradient by the logits is softmax · Σ c − c.
/// </remarks>
internal sealed unsafe partial class LinearSoftmax<TShape>(TShape shape, Parameter weight, Parameter? bias) : ITrainingCluster
    where TShape : unmanaged, IMatrixShape
{
    private const int RowsPerTile = TokenBlocks.RowsPerTile;

    // Each group of rows sums its own share of the input's gradient, so that a tile's logits and weights are used while
    // they are in the cache. More groups busy more threads; their shares together should stay in the cache as well. The
    // shape alone decides, so that neither threads nor blocks change a bit.
    private const int MaximumGroups = 32;
    private const int MaximumShareFloats = 1 << 21;

    // Where the rows are too few tiles to busy many threads, the lanes are cut as well: the logits of a tile are then those
    // that stay in a near cache, and each is the same whoever computes it.
    private const int FewTiles = 32;
    private const int LanesPerTile = 64;

    private static int TileCount(TShape shape) => (shape.Rows + RowsPerTile - 1) / RowsPerTile;

    /// <summary>
    /// Rows from <see cref="FirstGroupRow"/> on stand for groups of tokens (the head's cluster rows); label smoothing
    /// weighs each by the size of its group.
    /// </summary>
    public int[] GroupSizes { get; init; } = [];

    /// <summary>What becomes of logits before the softmax.</summary>
    public LogitMap Map { get; init; }

    private int FirstGroupRow => shape.Rows - GroupSizes.Length;

    /// <summary>Logits = weight · inputs + bias, [rows, lanes], or [lanes, rows] for few tokens.</summary>
    /// <inheritdoc/>
    public LogitBlock Forward(WorkerPool pool, Scratch scratch, Scratch results, float* inputs, int lanes, bool withLogitSum)
    {
        if (TokenBlocks.AreFew(lanes)) return ForwardFew(pool, scratch, results, inputs, lanes, withLogitSum);
        var tiles = TileCount(shape);
        var lanesPerTile = tiles < FewTiles ? Math.Min(LanesPerTile, lanes) : lanes;
        fixed (int* groupSizes = GroupSizes)
        {
            var body = new ForwardBody
            {
                Shape = shape,
                Weight = weight.ValuesPointer,
                Bias = bias is null ? null : bias.ValuesPointer,
                Inputs = inputs,
                Lanes = lanes,
                LanesPerTile = lanesPerTile,
                RowTiles = tiles,
                Logits = results.Floats((long)shape.Rows * lanes),
                Maximum = scratch.Floats((long)tiles * lanes),
                Sum = scratch.Floats((long)tiles * lanes),
                LogitSum = withLogitSum ? scratch.Floats((long)tiles * lanes) : null,
                GroupSizes = groupSizes,
                FirstGroupRow = FirstGroupRow,
                Map = Map,
            };
            pool.Run(ref body, tiles * ((lanes + lanesPerTile - 1) / lanesPerTile));
            return Summarize(pool, scratch, results, body.Logits, body.Maximum, body.Sum, body.LogitSum, tiles, lanes, RowsPerTile);
        }
    }

    /// <inheritdoc/>
    public void Backward(WorkerPool pool, Scratch scratch, in LogitBlock logits, in RowWeights weights, float* inputRows, int tokens, float* inputGradient)
    {
        if (inputGradient is null && !weight.LearnsFromBackward && bias is not { LearnsFromBackward: true }) return;
        var groups = (int)Math.Clamp(MaximumShareFloats / ((long)TokenBlocks.MaximumLanes * shape.Columns), 1, MaximumGroups);
        var rowsPerGroup = ((shape.Rows + groups - 1) / groups + 3) / 4 * 4;
        // Shares of many values for few rows cost more than a product of its own, which reads the logits' gradient again.
        var sumsShares = shape.Rows > 2L * groups * shape.Columns;
        groups = (shape.Rows + rowsPerGroup - 1) / rowsPerGroup;
        var (rowStep, tokenStep) = logits.Steps;
        var shareLength = (nint)tokens * shape.Columns;
        fixed (int* groupSizes = GroupSizes)
        {
            var body = new GradientBody
            {
                Shape = shape,
                Logits = logits.Logits,
                Weight = weight.ValuesPointer,
                InputRows = inputRows,
                // What nothing was added to yet is written without being read.
                AddsToWeight = weight.HasGradient,
                AddsToBias = bias is { HasGradient: true },
                WeightGradient = weight.TouchGradientPointer(),
                BiasGradient = bias is null ? null : bias.TouchGradientPointer(),
                LogSumExp = logits.LogSumExp,
                TotalWeight = weights.Total,
                UniformWeight = weights.Uniform,
                TargetWeight = weights.Target,
                TargetRow = weights.TargetRow,
                Shares = inputGradient is null || !sumsShares ? null : scratch.Floats(groups * shareLength),
                RowsPerGroup = rowsPerGroup,
                Tokens = tokens,
                Lanes = logits.Lanes,
                RowStep = rowStep,
                TokenStep = tokenStep,
                GroupSizes = groupSizes,
                FirstGroupRow = FirstGroupRow,
                Map = Map,
            };
            pool.Run(ref body, groups);
            if (inputGradient is null) return;
            if (sumsShares)
            {
                AddShares(pool, body.Shares, shareLength, groups, inputGradient);
                return;
            }

            Gemm.Multiply(
                pool, body.Logits, tokenStep, rowStep, body.Weight, shape.Columns, inputGradient, shape.Columns,
                tokens, shape.Columns, shape.Rows, accumulate: false, rowsPerTile: 64, columnsPerTile: 128);
        }
    }

    // The shares in ascending order, so that the sum has the same bits whoever made them.
    private static void AddShares(WorkerPool pool, float* shares, nint length, int groups, float* inputGradient)
    {
        var body = new ShareBody { Shares = shares, Length = length, Groups = groups, Sum = inputGradient };
        pool.Run(ref body, (int)((length + ShareBody.PerTile - 1) / ShareBody.PerTile));
    }

    private LogitBlock Summarize(
        WorkerPool pool, Scratch scratch, Scratch results, float* logits, float* maximum, float* sum, float* logitSum, int tiles, int lanes, int rowsPerTile)
    {
        var block = new LogitBlock
        {
            Logits = logits,
            LogSumExp = results.Floats(lanes),
            LogitSum = logitSum is null ? null : scratch.Doubles(lanes),
            TileMaximum = maximum,
            RowsPerTile = rowsPerTile,
            Rows = shape.Rows,
            Lanes = lanes,
        };
        CombineLogSumExp(pool, maximum, sum, tiles, lanes, block.LogSumExp);
        if (logitSum is not null) CombineSums(logitSum, tiles, lanes, block.LogitSum);
        return block;
    }

    // log Σ exp over the tiles in ascending order, in double precision.
    internal static void CombineLogSumExp(WorkerPool pool, float* maximum, float* sum, int tiles, int lanes, float* logSumExp)
    {
        var body = new CombineBody { Maximum = maximum, Sum = sum, Tiles = tiles, Lanes = lanes, LogSumExp = logSumExp };
        pool.Run(ref body, (lanes + CombineBody.LanesPerTile - 1) / CombineBody.LanesPerTile);
    }

    private static void CombineSums(float* sums, int tiles, int lanes, double* total)
    {
        for (var lane = 0; lane < lanes; lane++)
        {
            total[lane] = 0;
            for (var tile = 0; tile < tiles; tile++) total[lane] += sums[((nint)tile * lanes) + lane];
        }
    }

    private struct ForwardBody : IParallelBody
    {
        public TShape Shape;
        public float* Weight, Bias, Inputs, Logits, Maximum, Sum, LogitSum;
        public int* GroupSizes;
        public int Lanes, LanesPerTile, RowTiles, FirstGroupRow;
        public LogitMap Map;

        public readonly void Run(int tile)
        {
            var rowTile = tile % RowTiles;
            var lane = tile / RowTiles * LanesPerTile;
            var lanes = Math.Min(LanesPerTile, Lanes - lane);
            var first = rowTile * RowsPerTile;
            var rows = Math.Min(RowsPerTile, Shape.Rows - first);
            var logits = Logits + ((nint)first * Lanes) + lane;
            var statistic = ((nint)rowTile * Lanes) + lane;
            for (var row = 0; row < rows && Bias is not null; row++) new Span<float>(logits + ((nint)row * Lanes), lanes).Fill(Bias[first + row]);
            Gemm.MultiplyOnThisThread(
                Weight + ((nint)first * Shape.Columns), Shape.Columns, 1, Inputs + lane, Lanes, logits, Lanes, rows, lanes, Shape.Columns, accumulate: Bias is not null);
            for (var row = 0; row < rows && Map.IsSet; row++) Map.Apply(logits + ((nint)row * Lanes), lanes);
            SoftmaxKernel.BlockStatistics(logits, Lanes, lanes, rows, Maximum + statistic, Sum + statistic);
            if (LogitSum is not null) SumLogits(logits, first, rows, lanes, LogitSum + statistic);
        }

        private readonly void SumLogits(float* logits, int first, int rows, int lanes, float* sums)
        {
            new Span<float>(sums, lanes).Clear();
            for (var row = 0; row < rows; row++, logits += Lanes)
            {
                var group = first + row - FirstGroupRow;
                if (group < 0) Vectors.Add(sums, logits, lanes);
                for (var lane = 0; lane < lanes && group >= 0; lane++) sums[lane] += GroupSizes[group] * logits[lane];
            }
        }
    }

    private struct CombineBody : IParallelBody
    {
        public const int LanesPerTile = 8;
        public float* Maximum, Sum, LogSumExp;
        public int Tiles, Lanes;

        public readonly void Run(int tile)
        {
            for (var lane = tile * LanesPerTile; lane < Math.Min(Lanes, (tile + 1) * LanesPerTile); lane++)
            {
                var top = float.NegativeInfinity;
                for (nint at = lane; at < (nint)Tiles * Lanes; at += Lanes) top = MathF.Max(top, Maximum[at]);
                var total = 0.0;
                for (nint at = lane; at < (nint)Tiles * Lanes; at += Lanes) total += Sum[at] * Math.Exp((double)Maximum[at] - top);
                LogSumExp[lane] = (float)(top + Math.Log(total));
            }
        }
    }

    private struct ShareBody : IParallelBody
    {
        public const int PerTile = 1 << 13;
        public float* Shares, Sum;
        public nint Length;
        public int Groups;

        public readonly void Run(int tile)
        {
            var start = (nint)tile * PerTile;
            var count = (int)Math.Min(PerTile, Length - start);
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
        public nint RowStep, TokenStep;
        public bool AddsToWeight, AddsToBias;
        public LogitMap Map;

        public readonly void Run(int group)
        {
            var groupStart = group * RowsPerGroup;
            var groupEnd = Math.Min(Shape.Rows, groupStart + RowsPerGroup);
            var share = Shares + ((nint)group * Tokens * Shape.Columns);
            for (var first = groupStart; first < groupEnd; first += RowsPerTile)
            {
                var rows = Math.Min(RowsPerTile, groupEnd - first);
                var gradient = Logits + (first * RowStep);
                if (Map.IsSet) MappedGradient(gradient, first, rows);
                else LogitGradient(gradient, first, rows);
                if (WeightGradient is not null)
                {
                    Gemm.MultiplyOnThisThread(
                        gradient, RowStep, TokenStep, InputRows, Shape.Columns, WeightGradient + ((nint)first * Shape.Columns), Shape.Columns,
                        rows, Shape.Columns, Tokens, AddsToWeight);
                }

                if (Shares is not null)
                {
                    Gemm.MultiplyOnThisThread(
                        gradient, TokenStep, RowStep, Weight + ((nint)first * Shape.Columns), Shape.Columns, share, Shape.Columns,
                        Tokens, Shape.Columns, rows, accumulate: first > groupStart);
                }

                if (BiasGradient is not null) AddBiasGradient(gradient, first, rows);
            }
        }

        // By the logits as they come from the product; the slopes are taken from the mapped ones, which their gradient replaces.
        private readonly void MappedGradient(float* gradient, int first, int rows)
        {
            // Tokens one after the other, or whole rows of lanes.
            var (runs, length, step) = TokenBlocks.AreFew(Lanes) ? (Tokens, rows, TokenStep) : (1, rows * Lanes, 0);
            var rented = ArrayPool<float>.Shared.Rent(runs * length);
            fixed (float* slopes = rented)
            {
                for (var run = 0; run < runs; run++) Map.Slopes(gradient + (run * step), slopes + ((nint)run * length), length);
                LogitGradient(gradient, first, rows);
                for (var run = 0; run < runs; run++) Vectors.Multiply(gradient + (run * step), slopes + ((nint)run * length), length);
            }

            ArrayPool<float>.Shared.Return(rented);
        }

        private readonly void LogitGradient(float* gradient, int first, int rows)
        {
            var plain = Math.Clamp(FirstGroupRow - first, 0, rows);
            if (TokenBlocks.AreFew(Lanes))
            {
                FewGradients(gradient, 0, plain, rowWeight: 1);
                for (var row = plain; row < rows; row++) FewGradients(gradient, row, 1, GroupSizes[first + row - FirstGroupRow]);
            }
            else
            {
                SoftmaxKernel.Gradient(gradient, Lanes, plain, LogSumExp, TotalWeight, UniformWeight, rowWeight: 1);
                for (var row = plain; row < rows; row++)
                    SoftmaxKernel.Gradient(gradient + ((nint)row * Lanes), Lanes, 1, LogSumExp, TotalWeight, UniformWeight, GroupSizes[first + row - FirstGroupRow]);
            }

            for (var token = 0; token < Tokens; token++)
            {
                var row = TargetRow[token] - first;
                if ((uint)row < (uint)rows) gradient[(row * RowStep) + (token * TokenStep)] -= TargetWeight[token];
            }
        }

        private readonly void FewGradients(float* gradient, int row, int rows, float rowWeight)
        {
            for (var token = 0; token < Tokens; token++)
                SoftmaxKernel.TokenGradient(gradient + row + (token * TokenStep), rows, LogSumExp[token], TotalWeight[token], UniformWeight[token] * rowWeight);
        }

        // Token after token, so that the sum has the same bits wherever blocks end; four rows hide the time of an addition.
        private readonly void AddBiasGradient(float* gradient, int first, int rows)
        {
            var sums = BiasGradient + first;
            if (!AddsToBias) new Span<float>(sums, rows).Clear();
            var row = 0;
            for (; row + 4 <= rows; row += 4, gradient += 4 * RowStep)
            {
                float s0 = sums[row], s1 = sums[row + 1], s2 = sums[row + 2], s3 = sums[row + 3];
                var one = gradient;
                for (var token = 0; token < Tokens; token++, one += TokenStep)
                {
                    s0 += one[0];
                    s1 += one[RowStep];
                    s2 += one[2 * RowStep];
                    s3 += one[3 * RowStep];
                }

                (sums[row], sums[row + 1], sums[row + 2], sums[row + 3]) = (s0, s1, s2, s3);
            }

            for (; row < rows; row++, gradient += RowStep)
            {
                for (var token = 0; token < Tokens; token++) sums[row] += gradient[token * TokenStep];
            }
        }
    }
}
