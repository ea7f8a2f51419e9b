using AdaptiveSoftmax;
using AdaptiveSoftmax.Gpu;

namespace LanguageModelSample;

/// <summary>A model in training on a device.</summary>
internal sealed class GpuTraining(GpuModel model) : ITraining
{
    private readonly GpuOptimizer _optimizer = new(new Adagrad());

    public long UsedMemory => model.Bytes + _optimizer.StateBytes;

    /// <summary>Compiles the kernels and takes the working memory of a step.</summary>
    public void WarmUp(Batch batch)
    {
        model.Backward(batch).Read();
        foreach (var parameter in model.Parameters) parameter.ZeroGradient();
        model.Loss(batch);

        // The optimizer's kernels are the same for parameters of any size.
        using var vector = new GpuParameter(model.Accelerator, "vector", 1, 1, isVector: true);
        using var table = new GpuParameter(model.Accelerator, "table", 1, 1, gradientLayout: GradientLayout.SparseRows);
        using var optimizer = new GpuOptimizer(new Adagrad());
        optimizer.Step(vector, table);
        model.Accelerator.Synchronize();
    }

    public float Step(Batch batch, double rate)
    {
        var loss = model.Backward(batch).Read();
        _optimizer.LearningRate = rate;
        // It waits for the device, so that the time of a step is the work that it was.
        return _optimizer.TryStep(model.Parameters) ? loss : float.NaN;
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

    public void Dispose() => _optimizer.Dispose();

    private GpuCheckpoint CreateCheckpoint() => new(model.Softmax, model.Body.Parameters, _optimizer);
}
