using AdaptiveSoftmax;

namespace LanguageModelSample;

/// <summary>A model in training on the processor.</summary>
internal sealed class ProcessorTraining(Model model) : ITraining
{
    public Adagrad Optimizer { get; } = new() { Threads = model.Body.Shape.Threads };

    public long UsedMemory => Environment.WorkingSet;

    public void WarmUp(Batch batch)
    {
    }

    public float Step(Batch batch, double rate)
    {
        var loss = model.Backward(batch);
        Optimizer.LearningRate = rate;
        return Optimizer.TryStep(model.Parameters) ? loss : float.NaN;
    }

    public void Save(string path, SavedRun run)
    {
        var checkpoint = CreateCheckpoint();
        checkpoint.Step = run.AddTo(checkpoint.Strings);
        checkpoint.Save(path);
    }

    public SavedRun Restore(string path)
    {
        var checkpoint = CreateCheckpoint();
        checkpoint.Restore(path);
        return SavedRun.From(checkpoint.Step, checkpoint.Strings);
    }

    public void Dispose() => Optimizer.Dispose();

    private Checkpoint CreateCheckpoint() => new(model.Softmax, model.Body.Parameters, Optimizer);
}
