namespace AdaptiveSoftmax;

/// <summary>A part of a softmax that trains: the head or a tail.</summary>
internal unsafe interface ITrainingPart
{
    /// <inheritdoc cref="LinearSoftmax{TShape}.Forward"/>
    void Forward(WorkerPool pool, Scratch scratch, float* inputs, int lanes, bool withLogitSum);

    /// <inheritdoc cref="LinearSoftmax{TShape}.Backward"/>
    void Backward(WorkerPool pool, Scratch scratch, float* inputRows, int tokens, int lanes, float* inputGradient);
}
