using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of training, within the budget for logits.</summary>
internal sealed class TrainingScratch(Accelerator accelerator, SoftmaxLayout layout, int strips, long logitBytes) : IDisposable
{
    // What sums of an input's gradient in several shares may take; without it a narrow tail would use few groups.
    private const long MostShareValues = 4L << 20;

    private readonly GrowingBuffer<int> _slots = new(accelerator, "the slots of targets");
    private readonly GrowingBuffer<int> _order = new(accelerator, "the order of tokens by cluster");
    private readonly GrowingBuffer<int> _headRows = new(accelerator, "the head's rows of targets");
    private readonly GrowingBuffer<int> _tailRows = new(accelerator, "the tails' rows of targets");
    private readonly GrowingBuffer<int> _maskedRows = new(accelerator, "a tail's rows of targets");
    private readonly GrowingBuffer<float> _gathered = new(accelerator, "hidden vectors by cluster");
    private readonly GrowingBuffer<float> _gatheredGradient = new(accelerator, "the gradient of hidden vectors by cluster");
    private readonly GrowingBuffer<float> _projected = new(accelerator, "projected vectors");
    private readonly GrowingBuffer<float> _projectedGradient = new(accelerator, "the gradient of projected vectors");
    private readonly GrowingBuffer<float> _logitGradient = new(accelerator, "the gradient of logits");
    private readonly GrowingBuffer<float> _shares = new(accelerator, "shares of an input's gradient");
    private readonly GrowingBuffer<float> _maximum = new(accelerator, "partial maxima");
    private readonly GrowingBuffer<float> _sum = new(accelerator, "partial sums");
    private readonly GrowingBuffer<float> _targetLogits = new(accelerator, "the logits of targets");
    private readonly GrowingBuffer<float> _logSumExp = new(accelerator, "log-sum-exp");
    private readonly GrowingBuffer<float> _targetLogProbs = new(accelerator, "the log-probs of targets");
    private readonly GrowingBuffer<float> _smoothing = new(accelerator, "label smoothing");
    private readonly GrowingBuffer<BatchPlan> _plan = new(accelerator, "the plan of a step");
    private readonly GrowingBuffer<float> _tokenWeights = new(accelerator, "the weights of tokens");
    private readonly GrowingBuffer<float> _scales = new(accelerator, "the scales of loss and gradients");
    private readonly GrowingBuffer<float> _hostHidden = new(accelerator, "hidden vectors from the host");
    private readonly GrowingBuffer<int> _hostTargets = new(accelerator, "targets from the host");
    private readonly GrowingBuffer<float> _hostResult = new(accelerator, "a result for the host");
    private readonly GrowingBuffer<float> _hostWeights = new(accelerator, "weights of tokens from the host");
    private readonly GrowingBuffer<float> _hostLosses = new(accelerator, "losses for the host");

    private readonly int _mostRows = layout.Tails.Select(tail => tail.Size).Append(layout.HeadRows).Max();
    private readonly int _stride = Sizes.Stride(layout.HiddenSize);
    private readonly int _width = layout.Tails.Select(tail => Sizes.Stride(tail.ProjectionWidth)).DefaultIfEmpty(0).Max();
    private int _gradientCapacity;
    private int _hiddenGradientCapacity;

    public int Capacity { get; private set; }

    /// <summary>How often the memory was exchanged.</summary>
    public int Generation { get; private set; }

    public ArrayView<int> Slots => _slots.View;

    public ArrayView<int> Order => _order.View;

    public ArrayView<int> HeadRows => _headRows.View;

    public ArrayView<int> TailRows => _tailRows.View;

    public ArrayView<int> MaskedRows => _maskedRows.View;

    public ArrayView<float> Gathered => _gathered.View;

    public ArrayView<float> GatheredGradient => _gatheredGradient.View;

    public ArrayView<float> Projected => _projected.View;

    public ArrayView<float> ProjectedGradient => _projectedGradient.View;

    public ArrayView<float> LogitGradient => _logitGradient.View;

    /// <summary>Where logits are kept until the backward pass takes them; without one nothing is written there.</summary>
    public ArrayView<float> Kept => _gradientCapacity > 0 ? LogitGradient : Maximum;

    public ArrayView<float> Shares => _shares.View;

    public ArrayView<float> Maximum => _maximum.View;

    public ArrayView<float> Sum => _sum.View;

    public ArrayView<float> TargetLogits => _targetLogits.View;

    public ArrayView<float> LogSumExp => _logSumExp.View;

    public ArrayView<float> TargetLogProbs => _targetLogProbs.View;

    public ArrayView<float> Smoothing => _smoothing.View;

    public ArrayView<BatchPlan> Plan => _plan.View;

    /// <summary>What each token's gradient is multiplied by, in the order by cluster.</summary>
    public ArrayView<float> TokenWeights => _tokenWeights.View;

    /// <summary>The scale of the loss, and that of gradients of tokens that weigh 1.</summary>
    public ArrayView<float> Scales => _scales.View;

    public ArrayView<float> HostHidden => _hostHidden.View;

    public ArrayView<int> HostTargets => _hostTargets.View;

    public ArrayView<float> HostResult => _hostResult.View;

    public ArrayView<float> HostWeights => _hostWeights.View;

    public ArrayView<float> HostLosses => _hostLosses.View;

    public long Bytes =>
        _slots.Bytes + _order.Bytes + _headRows.Bytes + _tailRows.Bytes + _maskedRows.Bytes + _gathered.Bytes + _gatheredGradient.Bytes + _projected.Bytes
        + _projectedGradient.Bytes + _logitGradient.Bytes + _shares.Bytes + _maximum.Bytes + _sum.Bytes + _targetLogits.Bytes + _logSumExp.Bytes
        + _targetLogProbs.Bytes + _smoothing.Bytes + _plan.Bytes + _tokenWeights.Bytes + _scales.Bytes + _hostHidden.Bytes + _hostTargets.Bytes
        + _hostResult.Bytes + _hostWeights.Bytes + _hostLosses.Bytes;

    /// <summary>How many chunks a cluster's rows may take, if every token needs it.</summary>
    public int MostPasses(int rows, int tokens)
    {
        var chunk = Math.Max(1, LogitCapacity(tokens) / Math.Max(1, tokens) / TileProduct.Columns) * TileProduct.Columns;
        return (int)((rows + chunk - 1) / chunk);
    }

    /// <summary>The values that the gradient of logits has room for: the budget, and at least one tile of columns.</summary>
    public long LogitCapacity(int tokens)
    {
        var whole = (long)tokens * Sizes.Tiles(_mostRows, TileProduct.Columns) * TileProduct.Columns;
        return Math.Max((long)tokens * TileProduct.Columns, Math.Min(whole, logitBytes / sizeof(float)));
    }

    /// <summary>The values that shares of an input's gradient have room for.</summary>
    public long ShareCapacity(int tokens) => Math.Min(MostShareValues, 256L * tokens * _stride);

    /// <summary>Makes room for a batch.</summary>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="withGradient">Whether a backward pass follows.</param>
    /// <param name="withHiddenGradient">Whether it gives the gradient of hidden vectors.</param>
    /// <param name="withLogits">Whether the gradient of logits is in float32.</param>
    public void Reserve(int tokens, bool withGradient, bool withHiddenGradient, bool withLogits = true)
    {
        if (withHiddenGradient && tokens > _hiddenGradientCapacity)
        {
            _gatheredGradient.Reserve((long)tokens * _stride);
            _hiddenGradientCapacity = tokens;
            Generation++;
        }

        if (withGradient && tokens > _gradientCapacity)
        {
            _projectedGradient.Reserve((long)tokens * _width);
            _logitGradient.Reserve(withLogits ? LogitCapacity(tokens) : 1);
            _shares.Reserve(withLogits ? ShareCapacity(tokens) : 4);
            _gradientCapacity = tokens;
            Generation++;
        }

        if (tokens <= Capacity) return;
        foreach (var buffer in new[] { _slots, _order, _headRows, _tailRows, _maskedRows, _hostTargets }) buffer.Reserve(tokens);
        foreach (var buffer in new[] { _targetLogits, _logSumExp, _targetLogProbs, _smoothing, _tokenWeights }) buffer.Reserve(tokens);
        _gathered.Reserve((long)tokens * _stride);
        _projected.Reserve((long)tokens * _width);
        _maximum.Reserve((long)tokens * strips);
        _sum.Reserve((long)tokens * strips);
        _plan.Reserve(layout.TailCount + 1);
        _scales.Reserve(2);
        Capacity = tokens;
        Generation++;
    }

    /// <summary>Memory for vectors that come from the host, and for what goes back there.</summary>
    public void ReserveHost(int tokens)
    {
        _hostHidden.Reserve((long)tokens * layout.HiddenSize);
        _hostResult.Reserve(Math.Max(1, (long)tokens * layout.HiddenSize));
        _hostWeights.Reserve(tokens);
        _hostLosses.Reserve(tokens);
    }

    public void Dispose()
    {
        foreach (var buffer in new IDisposable[]
        {
            _slots, _order, _headRows, _tailRows, _maskedRows, _gathered, _gatheredGradient, _projected, _projectedGradient, _logitGradient, _shares,
            _maximum, _sum, _targetLogits, _logSumExp, _targetLogProbs, _smoothing, _plan, _tokenWeights, _scales, _hostHidden, _hostTargets,
            _hostResult, _hostWeights, _hostLosses,
        })
            buffer.Dispose();
    }
}
