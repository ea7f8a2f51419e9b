namespace AdaptiveSoftmax;

/// <summary>The head or a tail of a softmax that decodes: float32 weights, or smaller ones.</summary>
internal unsafe interface IDecodingCluster
{
    /// <summary>The logits of a block of tokens and their log-sum-exp.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends the memory of the result.</param>
    /// <param name="inputs">The hidden vectors, [hidden, lanes].</param>
    /// <param name="lanes">The lanes, a multiple of <see cref="TokenBlocks.LaneMultiple"/>.</param>
    LogitBlock Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes);

    /// <summary>The logits of one token and their log-sum-exp.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends the memory of all but the logits.</param>
    /// <param name="hidden">The hidden vector, [hidden].</param>
    /// <param name="logits">Receives the logits, [rows].</param>
    LogitBlock ForwardOne(WorkerPool pool, Scratch scratch, float* hidden, float* logits);
}
