using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of training, within the budget for logits.</summary>
internal sealed class TrainingScratch : IDisposable
{
    // What split sums of an input's gradient may take; without them a narrow tail would use few groups.
    private const long MostSplitValues = 4L << 20;

    private readonly SoftmaxLayout _layout;
    private readonly long _logitBytes;
    private readonly bool _withLogits;
    private readonly bool _withSplits;
    private readonly Scratch _batch;
    private readonly Scratch _gradient;
    private readonly Scratch _hiddenGradient;
    private readonly Scratch _host;
    private readonly GrowingBuffer<int> _slots;
    private readonly GrowingBuffer<int> _order;
    private readonly GrowingBuffer<int> _headRows;
    private readonly GrowingBuffer<int> _tailRows;
    private readonly GrowingBuffer<int> _places;
    private readonly GrowingBuffer<float> _gathered;
    private readonly GrowingBuffer<float> _gatheredGradient;
    private readonly GrowingBuffer<float> _projected;
    private readonly GrowingBuffer<float> _projectedGradient;
    private readonly GrowingBuffer<float> _logits;
    private readonly GrowingBuffer<float> _splitSums;
    private readonly GrowingBuffer<float> _targetLogProbs;
    private readonly GrowingBuffer<float> _smoothing;
    private readonly GrowingBuffer<BatchPlan> _plan;
    private readonly GrowingBuffer<float> _tokenWeights;
    private readonly GrowingBuffer<float> _scales;
    private readonly GrowingBuffer<float> _hostHidden;
    private readonly GrowingBuffer<int> _hostTargets;
    private readonly GrowingBuffer<float> _hostResult;
    private readonly GrowingBuffer<float> _hostWeights;
    private readonly GrowingBuffer<float> _hostLosses;
    private readonly int _mostRows;
    private readonly int _stride;
    private readonly int _width;

    /// <summary>Describes the memory, of which nothing is there yet.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="logitBytes">The budget for logits.</param>
    /// <param name="withLogits">Whether logits are in float32, and not on tensor cores.</param>
    /// <param name="withSplits">Whether an input's gradient may be split over its depth by kernels of this library.</param>
    public TrainingScratch(Accelerator accelerator, SoftmaxLayout layout, long logitBytes, bool withLogits = true, bool withSplits = true)
    {
        _withSplits = withSplits;
        _layout = layout;
        _withLogits = withLogits;
        _logitBytes = logitBytes;
        _batch = new Scratch(accelerator);
        _gradient = new Scratch(accelerator);
        _hiddenGradient = new Scratch(accelerator);
        _host = new Scratch(accelerator);
        _slots = _batch.Add<int>("the slots of targets");
        _order = _batch.Add<int>("the order of tokens by cluster");
        _headRows = _batch.Add<int>("the head's rows of targets");
        _tailRows = _batch.Add<int>("the tails' rows of targets");
        _places = _batch.Add<int>("the places of tokens in that order");
        _gathered = _batch.Add<float>("hidden vectors by cluster");
        _gatheredGradient = _hiddenGradient.Add<float>("the gradient of hidden vectors by cluster");
        _projected = _batch.Add<float>("projected vectors");
        _projectedGradient = _gradient.Add<float>("the gradient of projected vectors");
        _logits = _batch.Add<float>("logits");
        _splitSums = _gradient.Add<float>("split sums of an input's gradient");
        _targetLogProbs = _batch.Add<float>("the log-probs of targets");
        _smoothing = _batch.Add<float>("label smoothing");
        _plan = _batch.Add<BatchPlan>("the plan of a step");
        _tokenWeights = _batch.Add<float>("the weights of tokens");
        _scales = _batch.Add<float>("the scales of loss and gradients");
        _hostHidden = _host.Add<float>("hidden vectors from the host");
        _hostTargets = _host.Add<int>("targets from the host");
        _hostResult = _host.Add<float>("a result for the host");
        _hostWeights = _host.Add<float>("weights of tokens from the host");
        _hostLosses = _host.Add<float>("losses for the host");
        _mostRows = Sizes.Tiles(layout.Tails.Select(tail => tail.Size).Append(layout.HeadRows).Max(), TileProduct.Columns) * TileProduct.Columns;
        _stride = Sizes.Stride(layout.HiddenSize);
        _width = layout.Tails.Select(tail => Sizes.Stride(tail.ProjectionWidth)).DefaultIfEmpty(0).Max();
    }

    /// <summary>How often the memory of a step was exchanged.</summary>
    public int Generation => _batch.Generation + _gradient.Generation + _hiddenGradient.Generation;

    public ArrayView<int> Slots => _slots.View;

    public ArrayView<int> Order => _order.View;

    public ArrayView<int> HeadRows => _headRows.View;

    public ArrayView<int> TailRows => _tailRows.View;

    /// <summary>The place of each token in the order by cluster, −1 without a target.</summary>
    public ArrayView<int> Places => _places.View;

    public ArrayView<float> Gathered => _gathered.View;

    public ArrayView<float> GatheredGradient => _gatheredGradient.View;

    public ArrayView<float> Projected => _projected.View;

    public ArrayView<float> ProjectedGradient => _projectedGradient.View;

    /// <summary>The logits of a chunk, and then their gradient.</summary>
    public ArrayView<float> Logits => _logits.View;

    public ArrayView<float> SplitSums => _splitSums.View;

    public ArrayView<float> TargetLogProbs => _targetLogProbs.View;

    public ArrayView<float> Smoothing => _smoothing.View;

    /// <summary>The tokens of each cluster, and behind them those of each chunk.</summary>
    public ArrayView<BatchPlan> Plan => _plan.View;

    /// <summary>Where the plan is read back to.</summary>
    public BatchPlan[] HostPlan { get; private set; } = [];

    /// <summary>What each token's gradient is multiplied by, in the order by cluster.</summary>
    public ArrayView<float> TokenWeights => _tokenWeights.View;

    /// <summary>The scale of the loss, and that of gradients of tokens that weigh 1.</summary>
    public ArrayView<float> Scales => _scales.View;

    public ArrayView<float> HostHidden => _hostHidden.View;

    public ArrayView<int> HostTargets => _hostTargets.View;

    public ArrayView<float> HostResult => _hostResult.View;

    public ArrayView<float> HostWeights => _hostWeights.View;

    public ArrayView<float> HostLosses => _hostLosses.View;

    public long Bytes => _batch.Bytes + _gradient.Bytes + _hiddenGradient.Bytes + _host.Bytes;

    /// <summary>
    /// The values that logits have room for: the budget, and at least those of <see cref="BatchKernels.LeastTokens"/> tokens. Never
    /// less for more tokens, so that a smaller batch fits the memory of a larger one.
    /// </summary>
    public long LogitCapacity(int tokens) => LogitCapacity(tokens, _mostRows, _logitBytes / sizeof(float));

    /// <summary>The values that the logits of a budget have room for, or all of a batch's if these are fewer.</summary>
    /// <param name="tokens">The tokens of the batch.</param>
    /// <param name="rows">The rows of the largest cluster in whole tiles.</param>
    /// <param name="budget">The values of the budget.</param>
    public static long LogitCapacity(int tokens, int rows, long budget) => Math.Min((long)tokens * rows, Math.Max(BatchKernels.LeastTokens * (long)rows, budget));

    /// <summary>How many chunks a batch may take that lies in the largest cluster as a whole.</summary>
    public int MostChunks(int tokens) => BatchKernels.MostChunks(LogitCapacity(tokens), _mostRows / TileProduct.Columns, tokens);

    /// <summary>The values that split sums of an input's gradient have room for.</summary>
    public long SplitCapacity(int tokens) => _withSplits ? Math.Min(MostSplitValues, 256L * tokens * _stride) : 0;

    /// <summary>Makes room for a batch.</summary>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="withGradient">Whether a backward pass follows.</param>
    /// <param name="withHiddenGradient">Whether it gives the gradient of hidden vectors.</param>
    public void Reserve(int tokens, bool withGradient, bool withHiddenGradient)
    {
        if (withHiddenGradient && tokens > _hiddenGradient.Capacity) ExchangeHiddenGradient(tokens);
        if (withGradient && tokens > _gradient.Capacity) ExchangeGradient(tokens);
        if (tokens > _batch.Capacity) ExchangeBatch(tokens);
    }

    /// <summary>Memory for vectors that come from the host, and for what goes back there.</summary>
    public void ReserveHost(int tokens)
    {
        if (tokens > _host.Capacity || _host.Bytes == 0) ExchangeHost(tokens);
    }

    public void Dispose()
    {
        foreach (var memory in new[] { _batch, _gradient, _hiddenGradient, _host }) memory.Dispose();
    }

    // The tokens of each cluster, and of each chunk; tails alone take no more of them, and a budget in bfloat16 holds more.
    private int PlanLength(int tokens)
    {
        var length = _layout.TailCount + 1 + Chunks([_layout.HeadRows]);
        foreach (var group in _layout.Tails.Select(tail => tail.Size).Chunk(ViewGroup<int>.Capacity)) length += group.Length * Chunks(group);
        return length;

        int Chunks(int[] rows) => BatchKernels.MostChunks(LogitCapacity(tokens), Sizes.Tiles(rows.Max(), TileProduct.Columns), tokens);
    }

    // Apart from the questions, so that a batch for which there is room allocates nothing on the host either.
    private void ExchangeHiddenGradient(int tokens) => _hiddenGradient.Exchange(tokens, () => _gatheredGradient.Reserve((long)tokens * _stride));

    private void ExchangeGradient(int tokens) => _gradient.Exchange(tokens, () =>
    {
        _projectedGradient.Reserve((long)tokens * _width);
        _splitSums.Reserve(_withLogits ? SplitCapacity(tokens) : 4);
    });

    private void ExchangeBatch(int tokens) => _batch.Exchange(tokens, () =>
    {
        foreach (var buffer in new[] { _slots, _order, _headRows, _tailRows, _places }) buffer.Reserve(tokens);
        foreach (var buffer in new[] { _targetLogProbs, _smoothing, _tokenWeights }) buffer.Reserve(tokens);
        _gathered.Reserve((long)tokens * _stride);
        _projected.Reserve((long)tokens * _width);
        _logits.Reserve(_withLogits ? LogitCapacity(tokens) : 4);
        _plan.Reserve(PlanLength(tokens));
        HostPlan = new BatchPlan[PlanLength(tokens)];
        _scales.Reserve(2);
    });

    private void ExchangeHost(int tokens) => _host.Exchange(tokens, () =>
    {
        _hostHidden.Reserve((long)tokens * _layout.HiddenSize);
        _hostTargets.Reserve(tokens);
        _hostResult.Reserve(Math.Max(1, (long)tokens * _layout.HiddenSize));
        _hostWeights.Reserve(tokens);
        _hostLosses.Reserve(tokens);
    });
}
