namespace AdaptiveSoftmax;

/// <summary>What decoding needs of the head or of a tail, whatever its weights are stored in.</summary>
internal unsafe interface IDecodingPart
{
    /// <summary>The logits of a block of tokens and their log-sum-exp.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">
    /// Receives the logits, [rows, lanes], the maximum of each <see cref="TokenBlocks.RowsPerPart"/> rows, and the log-sum-exp.
    /// </param>
    /// <param name="inputs">The hidden vectors, [hidden, lanes].</param>
    /// <param name="lanes">The lanes, a multiple of <see cref="TokenBlocks.LaneMultiple"/>.</param>
    void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes);

    /// <summary>The logits of one token, [rows], and their log-sum-exp.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Receives what <see cref="BestOne"/> needs.</param>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="logits">Receives the logits, [rows].</param>
    float ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits);

    /// <summary>After <see cref="ForwardOne"/>: the largest log-prob of the first <paramref name="rows"/> rows and the first row that has it.</summary>
    float BestOne(Scratch scratch, float* logits, int rows, float logSumExp, float cluster, out int row);
}
