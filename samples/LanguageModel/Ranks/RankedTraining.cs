using AdaptiveSoftmax.Distributed;

namespace LanguageModelSample;

/// <summary>
/// A model in training on all ranks of a job. Rank 0 says what comes next and shares its batch out; the others do as it says
/// (<see cref="Follow"/>), so that only rank 0 has a clock, a display and the text.
/// </summary>
/// <param name="ranks">The ranks.</param>
/// <param name="model">This rank's replica, the same on each.</param>
/// <param name="checkpointPath">The file of the run, which every rank reaches by this path.</param>
/// <param name="batchSize">The targets of a rank's share of a batch.</param>
internal sealed class RankedTraining(Collectives ranks, Model model, string checkpointPath, int batchSize) : ITraining
{
    private readonly ProcessorTraining _own = new(model);
    private readonly Batch _share = new(batchSize, model.Window);
    private DataParallel? _parallel;

    private enum Order
    {
        Step,
        Restore,
        Stop,
    }

    public long UsedMemory => _own.UsedMemory;

    public void WarmUp(Batch batch)
    {
    }

    public float Step(Batch batch, double rate)
    {
        Give(Order.Step, rate);
        return TakeStep(batch, rate);
    }

    public void Save(string path, SavedRun run) => _own.Save(path, run);

    public SavedRun Restore(string path)
    {
        Give(Order.Restore);
        return _own.Restore(path);
    }

    /// <summary>Lets the others go, after the last step.</summary>
    public void Stop() => Give(Order.Stop);

    /// <summary>Does what rank 0 says, until it says to stop.</summary>
    public void Follow()
    {
        var batch = new Batch(batchSize * ranks.Size, model.Window);
        while (true)
        {
            var (order, rate) = Hear([0, 0]);
            if (order == Order.Stop) return;
            if (order == Order.Restore) _own.Restore(checkpointPath);
            else TakeStep(batch, rate);
        }
    }

    public void Dispose()
    {
        _parallel?.Dispose();
        _own.Dispose();
    }

    private void Give(Order order, double rate = 0) => Hear([(double)order, rate]);

    private (Order Order, double Rate) Hear(double[] words)
    {
        ranks.Broadcast<double>(words);
        return ((Order)words[0], words[1]);
    }

    // The gradients are those of the mean over all ranks' targets, and all take the same step.
    private float TakeStep(Batch batch, double rate)
    {
        ranks.Broadcast<int>(batch.Windows);
        ranks.Broadcast<int>(batch.Targets);
        var parallel = _parallel ??= new DataParallel(ranks, model.Softmax, model.Body.Parameters, ranks.Size) { Threads = model.Body.Shape.Threads };
        batch.Targets.AsSpan(ranks.Rank * batchSize, batchSize).CopyTo(_share.Targets);
        batch.Windows.AsSpan(ranks.Rank * _share.Windows.Length, _share.Windows.Length).CopyTo(_share.Windows);
        model.Backward(_share, (hidden, targets, gradient) => parallel.Backward(hidden, targets, gradient));
        parallel.EndShard(ranks.Rank);
        var loss = parallel.Reduce();
        _own.Optimizer.LearningRate = rate;
        return parallel.TryStep(_own.Optimizer) ? (float)loss.Mean : float.NaN;
    }
}
