namespace AdaptiveSoftmax;

/// <summary>
/// The matrix products of a linear layer, for the body of a model: row-major float32, several threads, the same bits for
/// any number of them. Safe to call from several threads at once; the working memory is kept for the next call.
/// </summary>
public static unsafe class MatrixKernels
{
    private const int RowsPerTile = 32;
    private const int ColumnsPerTile = 64;

    // Up to here one product a token is cheaper than filling a block of lanes.
    private const int MaximumTokensOneByOne = 4;

    private static readonly ScratchPool s_scratch = new(typeof(MatrixKernels));

    /// <summary>output [tokens, outputs] = input [tokens, inputs] · weightᵀ, with weight [outputs, inputs].</summary>
    /// <param name="input">The layer's input, [tokens, inputs].</param>
    /// <param name="weight">The layer's weight, [outputs, inputs].</param>
    /// <param name="output">Receives the layer's output, [tokens, outputs].</param>
    /// <param name="threads">The number of threads, the caller's included, at least 1; null for all processors.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or what is written shares memory with what is read.</exception>
    public static void Forward(ReadOnlySpan<float> input, Parameter weight, Span<float> output, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        using var use = weight.Use();
        var tokens = CheckTokens(input.Length, weight.Columns, nameof(input));
        CheckLength(output.Length, tokens, weight.Rows, nameof(output));
        SpanOverlap.Refuse(input, (ReadOnlySpan<float>)output, "the input", "the output", nameof(output));
        SpanOverlap.Refuse(weight.ValuesPointer, weight.Count, output, "the weight", "the output", nameof(output));
        var pool = GetPool(threads);
        fixed (float* x = input, y = output)
        {
            if (tokens <= MaximumTokensOneByOne)
            {
                var shape = new MatrixShape(weight.Rows, weight.Columns);
                for (var token = 0; token < tokens; token++)
                    Gemv.Multiply(pool, shape, weight.ValuesPointer, x + ((nint)token * weight.Columns), y + ((nint)token * weight.Rows));
                return;
            }

            var scratch = s_scratch.Rent();
            try
            {
                for (var first = 0; first < tokens; first += TokenBlocks.MaximumLanes)
                {
                    var count = Math.Min(TokenBlocks.MaximumLanes, tokens - first);
                    ForwardBlock(pool, scratch, x + ((nint)first * weight.Columns), weight, y + ((nint)first * weight.Rows), count);
                }
            }
            finally
            {
                s_scratch.Return(scratch);
            }
        }
    }

    /// <summary>inputGradient [tokens, inputs] = outputGradient [tokens, outputs] · weight.</summary>
    /// <param name="outputGradient">The gradient of the layer's output, [tokens, outputs].</param>
    /// <param name="weight">The layer's weight, [outputs, inputs].</param>
    /// <param name="inputGradient">Receives the gradient of the layer's input, [tokens, inputs].</param>
    /// <param name="threads">The number of threads, the caller's included, at least 1; null for all processors.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or what is written shares memory with what is read.</exception>
    public static void InputGradient(ReadOnlySpan<float> outputGradient, Parameter weight, Span<float> inputGradient, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        using var use = weight.Use();
        var tokens = CheckTokens(outputGradient.Length, weight.Rows, nameof(outputGradient));
        CheckLength(inputGradient.Length, tokens, weight.Columns, nameof(inputGradient));
        SpanOverlap.Refuse(outputGradient, (ReadOnlySpan<float>)inputGradient, "the gradient of the output", "that of the input", nameof(inputGradient));
        SpanOverlap.Refuse(weight.ValuesPointer, weight.Count, inputGradient, "the weight", "the gradient of the input", nameof(inputGradient));
        fixed (float* dy = outputGradient, dx = inputGradient)
        {
            Gemm.Multiply(
                GetPool(threads), dy, weight.Rows, 1, weight.ValuesPointer, weight.Columns, dx, weight.Columns,
                tokens, weight.Columns, weight.Rows, accumulate: false, RowsPerTile, ColumnsPerTile);
        }
    }

    /// <summary>Adds outputGradientᵀ · input to the weight's gradient, [outputs, inputs]; does nothing where the weight is frozen.</summary>
    /// <param name="outputGradient">The gradient of the layer's output, [tokens, outputs].</param>
    /// <param name="input">The layer's input, [tokens, inputs].</param>
    /// <param name="weight">The layer's weight, whose gradient is added to.</param>
    /// <param name="threads">The number of threads, the caller's included, at least 1; null for all processors.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or what is written shares memory with what is read.</exception>
    public static void AddWeightGradient(ReadOnlySpan<float> outputGradient, ReadOnlySpan<float> input, Parameter weight, int? threads = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        using var use = weight.Use();
        var tokens = CheckTokens(outputGradient.Length, weight.Rows, nameof(outputGradient));
        CheckLength(input.Length, tokens, weight.Columns, nameof(input));
        var pool = GetPool(threads);
        SpanOverlap.Refuse(weight.GradientPointer, weight.Count, outputGradient, "the gradient of the weight", "that of the output", nameof(outputGradient));
        SpanOverlap.Refuse(weight.GradientPointer, weight.Count, input, "the gradient of the weight", "the input", nameof(input));
        if (!weight.LearnsFromBackward) return;
        fixed (float* dy = outputGradient, x = input)
        {
            Gemm.Multiply(
                pool, dy, 1, weight.Rows, x, weight.Columns, weight.TouchGradientPointer(), weight.Columns,
                weight.Rows, weight.Columns, tokens, accumulate: true, RowsPerTile, weight.Columns);
        }
    }

    // The kernels want weights broadcast and tokens along the vector, so input and output change sides; both are small
    // against the product.
    private static void ForwardBlock(WorkerPool pool, Scratch scratch, float* input, Parameter weight, float* output, int tokens)
    {
        using var scope = scratch.Begin();
        var lanes = TokenBlocks.LanesFor(tokens);
        var inputLanes = scratch.Floats((long)weight.Columns * lanes);
        var outputLanes = scratch.Floats((long)weight.Rows * lanes);
        Transpose.Gather(pool, input, null, tokens, weight.Columns, inputLanes, lanes);
        Gemm.Multiply(
            pool, weight.ValuesPointer, weight.Columns, 1, inputLanes, lanes, outputLanes, lanes,
            weight.Rows, lanes, weight.Columns, accumulate: false, RowsPerTile, ColumnsPerTile);
        Transpose.FromLanes(pool, outputLanes, lanes, tokens, weight.Rows, output, weight.Rows);
    }

    private static WorkerPool GetPool(int? threads) => WorkerPool.Get(ThreadCount.OrDefault(threads, nameof(threads)));

    private static int CheckTokens(int length, int columns, string name)
    {
        if (columns == 0 || length % columns != 0)
            throw new ArgumentException(FormattableString.Invariant($"There are {length} values, which is no multiple of the {columns} of one token."), name);
        return length / columns;
    }

    private static void CheckLength(int length, int tokens, int columns, string name)
    {
        if (length != (long)tokens * columns)
            throw new ArgumentException(FormattableString.Invariant($"There are {length} values; [{tokens}, {columns}] holds {(long)tokens * columns}."), name);
    }
}
