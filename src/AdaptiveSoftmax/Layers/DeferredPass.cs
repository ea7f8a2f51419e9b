using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// One batch whose backward pass comes later than its forward pass, with a gradient for each token, or never: what an
/// automatic differentiation asks for. The weights are the caller's and are named anew at each call.
/// </summary>
/// <remarks>
/// The forward pass keeps the logits as far as the memory allows; the first backward pass uses them up, and one that finds
/// none computes them again, to the same bits.
/// </remarks>
/// <param name="memory">Where the logits are kept.</param>
/// <param name="layout">The sizes.</param>
/// <param name="slots">The slot of each target, [tokens]; <see cref="TrainingBatch.Ignored"/> where there is none.</param>
/// <param name="options">What the loss is made of.</param>
internal sealed unsafe class DeferredPass(DeferredMemory memory, SoftmaxLayout layout, int[] slots, LossOptions options) : IDisposable
{
    private readonly Queue<KeptLogits?> _blocks = [];

    ~DeferredPass() => Release();

    /// <summary>The slot of each target, [tokens]; <see cref="TrainingBatch.Ignored"/> where there is none.</summary>
    public IReadOnlyList<int> Slots => slots;

    /// <summary>How many targets are not ignored.</summary>
    public int ActiveCount { get; } = slots.Count(slot => slot != TrainingBatch.Ignored);

    /// <summary>Whether a backward pass reaches the weights of the head or of a tail.</summary>
    public bool Reaches(int cluster) =>
        cluster == TrainingBatch.Head || options.LabelSmoothing > 0 || slots.Any(slot => slot != TrainingBatch.Ignored && layout.ClusterOf(slot) == cluster + 1);

    /// <summary>The log-prob of each target and its loss, 0 where the target is ignored, and the reduced loss.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="head">The head.</param>
    /// <param name="tails">The tails.</param>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="logProbs">Receives log p(target), [tokens].</param>
    /// <param name="losses">Receives the losses, [tokens]; empty where nobody wants them.</param>
    /// <param name="keepsLogits">Whether a backward pass may come.</param>
    public float Forward(
        WorkerPool pool, ITrainingCluster head, IReadOnlyList<ITrainingCluster> tails, float* hidden, Span<float> logProbs, Span<float> losses, bool keepsLogits)
    {
        var scratch = memory.Rent();
        try
        {
            fixed (int* targets = slots)
            {
                var batch = new TrainingBatch(layout, scratch, hidden, null, targets, slots.Length, options, wantsGradient: false);
                ForwardCluster(pool, batch, head, TrainingBatch.Head, keepsLogits);
                for (var cluster = 0; cluster < tails.Count; cluster++) ForwardCluster(pool, batch, tails[cluster], cluster, keepsLogits);
                for (var token = 0; token < slots.Length; token++) logProbs[token] = (float)batch.TargetLogProbs[token];
                if (!losses.IsEmpty) batch.CopyLosses(losses);

                return (float)batch.Loss();
            }
        }
        finally
        {
            memory.Return(scratch);
        }
    }

    /// <summary>Writes or adds to the gradients of the weights, and sets that of the hidden vectors.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="head">The head.</param>
    /// <param name="tails">The tails.</param>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="hiddenGradient">Receives their gradient, [tokens, hidden]; null where nobody wants it.</param>
    /// <param name="logProbGradient">The gradient of the whole by each log-prob, [tokens]; empty for 0.</param>
    /// <param name="lossScale">The gradient of the whole by the reduced loss.</param>
    /// <param name="lossGradient">The gradient of the whole by the loss of each token, [tokens]; empty for the scale alone.</param>
    public void Backward(
        WorkerPool pool,
        ITrainingCluster head,
        IReadOnlyList<ITrainingCluster> tails,
        float* hidden,
        float* hiddenGradient,
        ReadOnlySpan<float> logProbGradient,
        double lossScale,
        ReadOnlySpan<float> lossGradient)
    {
        var scratch = memory.Rent();
        try
        {
            fixed (int* targets = slots)
            fixed (float* byLogProb = logProbGradient, byLoss = lossGradient)
            {
                if (hiddenGradient is not null) NativeMemory.Clear(hiddenGradient, (nuint)slots.Length * (nuint)layout.HiddenSize * sizeof(float));
                var batch = new TrainingBatch(layout, scratch, hidden, hiddenGradient, targets, slots.Length, options, wantsGradient: true)
                {
                    LogProbGradient = byLogProb,
                    LossGradient = byLoss,
                    LossScale = lossScale,
                };
                BackwardCluster(pool, batch, head, TrainingBatch.Head);
                for (var cluster = 0; cluster < tails.Count; cluster++) BackwardCluster(pool, batch, tails[cluster], cluster);
            }
        }
        finally
        {
            Release();
            memory.Return(scratch);
        }

        GC.KeepAlive(this);
    }

    /// <summary>Gives the kept logits back.</summary>
    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void ForwardCluster(WorkerPool pool, TrainingBatch batch, ITrainingCluster layer, int cluster, bool keepsLogits)
    {
        var members = batch.Members(cluster);
        var blockSize = TokenBlocks.BlockSize(batch.RowCount(cluster), memory.ScratchBytes);
        for (var first = 0; first < members.Length; first += blockSize)
        {
            using var scope = batch.Scratch.Begin();
            var block = batch.Gather(pool, members.Slice(first, Math.Min(blockSize, members.Length - first)), cluster);
            var kept = keepsLogits ? memory.Keep((long)batch.RowCount(cluster) * block.LaneCount * sizeof(float)) : null;
            if (keepsLogits) _blocks.Enqueue(kept);
            var logits = layer.Forward(pool, batch.Scratch, kept?.Scratch ?? batch.Scratch, block.Lanes, block.LaneCount, batch.IsSmoothed);
            if (kept is not null) kept.Logits = logits;
            batch.AddLogProbs(block, logits, cluster);
        }
    }

    private void BackwardCluster(WorkerPool pool, TrainingBatch batch, ITrainingCluster layer, int cluster)
    {
        var members = batch.Members(cluster);
        var blockSize = TokenBlocks.BlockSize(batch.RowCount(cluster), memory.ScratchBytes);
        for (var first = 0; first < members.Length; first += blockSize)
        {
            using var scope = batch.Scratch.Begin();
            var tokens = members.Slice(first, Math.Min(blockSize, members.Length - first));
            using var kept = _blocks.TryDequeue(out var next) ? next : null;
            var block = kept is null ? batch.Gather(pool, tokens, cluster) : batch.GatherRows(pool, tokens, cluster);
            var logits = kept?.Logits ?? layer.Forward(pool, batch.Scratch, batch.Scratch, block.Lanes, block.LaneCount, withLogitSum: false);
            layer.Backward(pool, batch.Scratch, logits, batch.WeightsOf(block, cluster), block.Rows, tokens.Length, block.RowGradient);
            batch.ScatterGradient(pool, block);
        }
    }

    private void Release()
    {
        while (_blocks.TryDequeue(out var kept)) kept?.Dispose();
    }
}
