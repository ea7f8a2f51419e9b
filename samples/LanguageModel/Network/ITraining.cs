namespace LanguageModelSample;

/// <summary>A model in training: the gradients and the optimizer where the model computes, and the files of both.</summary>
internal interface ITraining : IDisposable
{
    /// <summary>The memory in use, in bytes: of the process on the processor, of the model in training on a device.</summary>
    long UsedMemory { get; }

    /// <summary>Does what the first step would do beyond a step, so that no time goes into it. Changes nothing.</summary>
    /// <param name="batch">Any batch of the size of those to come.</param>
    void WarmUp(Batch batch);

    /// <summary>Takes a step.</summary>
    /// <param name="batch">What to learn from.</param>
    /// <param name="rate">The learning rate.</param>
    /// <returns>The loss before the step; NaN where it or a gradient is not finite, and the batch was left out.</returns>
    float Step(Batch batch, double rate);

    /// <summary>Saves model and optimizer. Every device writes and reads the same files.</summary>
    void Save(string path, SavedRun run);

    /// <summary>Takes model and optimizer from a file.</summary>
    SavedRun Restore(string path);
}
