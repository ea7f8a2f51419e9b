namespace AdaptiveSoftmax;

/// <summary>The working buffers of one call, each named for what it holds.</summary>
internal enum ScratchBuffer
{
    /// <summary>The slot of each target of the batch, [tokens] ints.</summary>
    Slots,

    /// <summary>The tokens of the batch grouped by cluster, [tokens] ints.</summary>
    Order,

    /// <summary>log p(target) of each token of the batch, [tokens] doubles.</summary>
    TargetLogProbs,

    /// <summary>The smoothing term Σ log p(w) of each token of the batch, [tokens] doubles.</summary>
    SmoothingLogProbs,

    /// <summary>The hidden vectors of a block, [tokens, hidden].</summary>
    Rows,

    /// <summary>The input vectors of a linear layer for few tokens, [lanes, columns].</summary>
    FewRows,

    /// <summary>The hidden vectors of a block, [hidden, lanes].</summary>
    Lanes,

    /// <summary>The logits of a block and then their gradient, [rows, lanes]; of few tokens [lanes, rows].</summary>
    Logits,

    /// <summary>The head's logits, [tokens, rows], which outlive those of a tail.</summary>
    HeadLogits,

    /// <summary>A tail's logits, [tokens, rows].</summary>
    TailRows,

    /// <summary>The log-sum-exp of each lane.</summary>
    LogSumExp,

    /// <summary>The weighted sum of logits of each lane.</summary>
    LogitSum,

    /// <summary>The maximum of each part of rows, [parts, lanes].</summary>
    PartMaximum,

    /// <summary>The sum of exponentials of each part of rows, [parts, lanes].</summary>
    PartSum,

    /// <summary>The input of int8 weights in whole numbers of 16 bits, [columns].</summary>
    WholeInput,

    /// <summary>Under certified decoding, the largest upper bound of each part of rows, [parts].</summary>
    PartBound,

    /// <summary>Under certified decoding, the sum of exponentials times error bounds of each part of rows, [parts].</summary>
    PartErrorSum,

    /// <summary>The weighted sum of logits of each part of rows, [parts, lanes].</summary>
    PartLogitSum,

    /// <summary>The target's row of each lane, ints.</summary>
    TargetRow,

    /// <summary>The weight of the target in each lane.</summary>
    TargetWeight,

    /// <summary>The total weight of all rows in each lane.</summary>
    TotalWeight,

    /// <summary>The weight that label smoothing gives each row, by lane.</summary>
    UniformWeight,

    /// <summary>The share of each group of rows in the gradient of a block's input, [groups, tokens, columns].</summary>
    InputGradientShares,

    /// <summary>The gradient of a block's hidden vectors, [lanes, hidden].</summary>
    RowGradient,

    /// <summary>A tail's projected vectors, [width, lanes].</summary>
    ProjectedLanes,

    /// <summary>A tail's projected vectors, [tokens, width].</summary>
    ProjectedRows,

    /// <summary>The gradient of a tail's projected vectors, [lanes, width].</summary>
    ProjectedRowGradient,

    /// <summary>The best token's log-prob so far, by lane.</summary>
    BestScore,

    /// <summary>The best token's slot so far, ints by lane.</summary>
    BestSlot,

    /// <summary>The tails that were computed for each lane, [lanes] ints.</summary>
    TailsVisited,

    /// <summary>The tail that each lane asks for, [lanes] ints; −1 for none.</summary>
    WantedTail,

    /// <summary>The log-probs of the clusters, [clusters, lanes].</summary>
    ClusterLogProbs,
}

/// <summary>
/// The memory that one call works in. It grows to what calls need and is then reused, so that a call allocates nothing
/// after warm-up; each call has its own, so that calls from several threads do not meet.
/// </summary>
internal sealed unsafe class Scratch : IDisposable
{
    private static readonly int s_bufferCount = Enum.GetValues<ScratchBuffer>().Length;
    private readonly NativeFloats?[] _buffers = new NativeFloats?[s_bufferCount];

    /// <summary>The floats that it holds.</summary>
    public long Count => _buffers.Sum(buffer => buffer?.Count ?? 0);

    /// <summary>A buffer of at least <paramref name="count"/> floats whose content is undefined.</summary>
    public float* Floats(ScratchBuffer name, long count)
    {
        ref var buffer = ref _buffers[(int)name];
        if (buffer is null || buffer.Count < count)
        {
            buffer?.Dispose();
            buffer = null;
            buffer = new NativeFloats(count);
        }

        return buffer.Pointer;
    }

    /// <summary>A buffer of at least <paramref name="count"/> ints whose content is undefined.</summary>
    public int* Ints(ScratchBuffer name, long count) => (int*)Floats(name, count);

    /// <summary>A buffer of at least <paramref name="count"/> doubles whose content is undefined.</summary>
    public double* Doubles(ScratchBuffer name, long count) => (double*)Floats(name, 2 * count);

    /// <summary>Exchanges some buffers with those of another one.</summary>
    public void Exchange(Scratch other, ReadOnlySpan<ScratchBuffer> names)
    {
        foreach (var name in names) (_buffers[(int)name], other._buffers[(int)name]) = (other._buffers[(int)name], _buffers[(int)name]);
    }

    public void Dispose()
    {
        foreach (var buffer in _buffers) buffer?.Dispose();
    }
}
