namespace AdaptiveSoftmax;

/// <summary>The head or a tail of a softmax that trains.</summary>
internal unsafe interface ITrainingCluster : IDecodingCluster
{
    /// <summary>The logits of a block of tokens and their log-sum-exp.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends what is needed until the end of its scope.</param>
    /// <param name="results">Lends the memory of what the backward pass takes; it may be the same.</param>
    /// <param name="inputs">The hidden vectors, [hidden, lanes].</param>
    /// <param name="lanes">The lanes, a multiple of <see cref="TokenBlocks.LaneMultiple"/>, or few.</param>
    /// <param name="withLogitSum">Whether to sum the logits of each lane.</param>
    LogitBlock Forward(WorkerPool pool, Scratch scratch, Scratch results, float* inputs, int lanes, bool withLogitSum);

    /// <summary>
    /// Turns the logits into their gradient, adds to the gradients of the weights, and sets the gradient of the input.
    /// </summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Lends what is needed until the end of its scope.</param>
    /// <param name="logits">What the forward pass returned.</param>
    /// <param name="weights">The weights of the loss.</param>
    /// <param name="inputRows">The hidden vectors, [tokens, hidden].</param>
    /// <param name="tokens">The tokens, at most the lanes.</param>
    /// <param name="inputGradient">Receives the gradient of the input, [lanes, hidden]; null where nobody wants it.</param>
    void Backward(WorkerPool pool, Scratch scratch, in LogitBlock logits, in RowWeights weights, float* inputRows, int tokens, float* inputGradient);

    /// <summary>Names the targets' rows before a forward pass: a cluster that has not all rows here then asks for their logits.</summary>
    /// <param name="rows">The target's row of each token, [tokens]; negative where the cluster does not hold it.</param>
    /// <param name="tokens">The tokens, at most the lanes.</param>
    void ExpectTargets(int* rows, int tokens)
    {
    }

    LogitBlock IDecodingCluster.Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes) =>
        Forward(pool, scratch, scratch, inputs, lanes, withLogitSum: false);
}
