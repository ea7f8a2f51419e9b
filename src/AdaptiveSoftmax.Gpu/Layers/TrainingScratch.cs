using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of training, within the budget for logits.</summary>
internal sealed class TrainingScratch : IDisposable
{
    // What sums of an input's gradient in several shares may take; without it a narrow tail would use few groups.
    private const long MostShareValues = 4L << 20;

    private readonly SoftmaxLayout _layout;
    private readonly int _strips;
    private readonly long _logitBytes;
    private readonly Scratch _batch;
    private readonly Scratch _gradient;
    private readonly Scratch _hiddenGradient;
    private readonly Scratch _host;
    private readonly GrowingBuffer<int> _slots;
    private readonly GrowingBuffer<int> _order;
    private readonly GrowingBuffer<int> _headRows;
    private readonly GrowingBuffer<int> _tailRows;
    private readonly GrowingBuffer<int> _maskedRows;
    private readonly GrowingBuffer<float> _gathered;
    private readonly GrowingBuffer<float> _gatheredGradient;
    private readonly GrowingBuffer<float> _projected;
    private readonly GrowingBuffer<float> _projectedGradient;
    private readonly GrowingBuffer<float> _logitGradient;
    private readonly GrowingBuffer<float> _shares;
    private readonly GrowingBuffer<float> _maximum;
    private readonly GrowingBuffer<float> _sum;
    private readonly GrowingBuffer<float> _targetLogits;
    private readonly GrowingBuffer<float> _logSumExp;
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
    /// <param name="strips">The strips of the cluster that has most.</param>
    /// <param name="logitBytes">The budget for logits.</param>
    public TrainingScratch(Accelerator accelerator, SoftmaxLayout layout, int strips, long logitBytes)
    {
        _layout = layout;
        _strips = strips;
        _logitBytes = logitBytes;
        _batch = new Scratch(accelerator);
        _gradient = new Scratch(accelerator);
        _hiddenGradient = new Scratch(accelerator);
        _host = new Scratch(accelerator);
        _slots = _batch.Add<int>("the slots of targets");
        _order = _batch.Add<int>("the order of tokens by cluster");
        _headRows = _batch.Add<int>("the head's rows of targets");
        _tailRows = _batch.Add<int>("the tails' rows of targets");
        _maskedRows = _batch.Add<int>("a tail's rows of targets");
        _gathered = _batch.Add<float>("hidden vectors by cluster");
        _gatheredGradient = _hiddenGradient.Add<float>("the gradient of hidden vectors by cluster");
        _projected = _batch.Add<float>("projected vectors");
        _projectedGradient = _gradient.Add<float>("the gradient of projected vectors");
        _logitGradient = _gradient.Add<float>("the gradient of logits");
        _shares = _gradient.Add<float>("shares of an input's gradient");
        _maximum = _batch.Add<float>("partial maxima");
        _sum = _batch.Add<float>("partial sums");
        _targetLogits = _batch.Add<float>("the logits of targets");
        _logSumExp = _batch.Add<float>("log-sum-exp");
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
        _mostRows = layout.Tails.Select(tail => tail.Size).Append(layout.HeadRows).Max();
        _stride = Sizes.Stride(layout.HiddenSize);
        _width = layout.Tails.Select(tail => Sizes.Stride(tail.ProjectionWidth)).DefaultIfEmpty(0).Max();
    }

    /// <summary>How often the memory of a step was exchanged.</summary>
    public int Generation => _batch.Generation + _gradient.Generation + _hiddenGradient.Generation;

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
    public ArrayView<float> Kept => _gradient.Capacity > 0 ? LogitGradient : Maximum;

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

    public long Bytes => _batch.Bytes + _gradient.Bytes + _hiddenGradient.Bytes + _host.Bytes;

    /// <summary>How many chunks the largest cluster's rows may take.</summary>
    public int MostPasses(int tokens) => MostPasses(_mostRows, tokens);

    /// <summary>How many chunks a cluster's rows may take, if every token needs it.</summary>
    public int MostPasses(int rows, int tokens)
    {
        var chunk = Math.Max(1, LogitCapacity(tokens) / Math.Max(1, tokens) / TileProduct.Columns) * TileProduct.Columns;
        return (int)((rows + chunk - 1) / chunk);
    }

    /// <summary>
    /// The values that the gradient of logits has room for: the budget, and at least one tile of columns. Up to a sixteenth more
    /// where that spares the head, in which all tokens are, its last chunk, of which there may be two rows.
    /// </summary>
    public long LogitCapacity(int tokens)
    {
        var whole = (long)tokens * Sizes.Tiles(_mostRows, TileProduct.Columns) * TileProduct.Columns;
        var capacity = Math.Max((long)tokens * TileProduct.Columns, Math.Min(whole, _logitBytes / sizeof(float)));
        var tiles = Sizes.Tiles(_layout.HeadRows, TileProduct.Columns);
        var chunks = Sizes.Tiles(tiles, (int)Math.Min(tiles, capacity / Math.Max(1, tokens) / TileProduct.Columns));
        if (chunks == 1) return capacity;
        var fewer = (long)tokens * Sizes.Tiles(tiles, chunks - 1) * TileProduct.Columns;
        return fewer <= capacity + (capacity / 16) ? Math.Max(capacity, fewer) : capacity;
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
        if (withHiddenGradient && tokens > _hiddenGradient.Capacity) ExchangeHiddenGradient(tokens);
        if (withGradient && tokens > _gradient.Capacity) ExchangeGradient(tokens, withLogits);
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

    // Apart from the questions, so that a batch for which there is room allocates nothing on the host either.
    private void ExchangeHiddenGradient(int tokens) => _hiddenGradient.Exchange(tokens, () => _gatheredGradient.Reserve((long)tokens * _stride));

    private void ExchangeGradient(int tokens, bool withLogits) => _gradient.Exchange(tokens, () =>
    {
        _projectedGradient.Reserve((long)tokens * _width);
        _logitGradient.Reserve(withLogits ? LogitCapacity(tokens) : 1);
        _shares.Reserve(withLogits ? ShareCapacity(tokens) : 4);
    });

    private void ExchangeBatch(int tokens) => _batch.Exchange(tokens, () =>
    {
        foreach (var buffer in new[] { _slots, _order, _headRows, _tailRows, _maskedRows }) buffer.Reserve(tokens);
        foreach (var buffer in new[] { _targetLogits, _logSumExp, _targetLogProbs, _smoothing, _tokenWeights }) buffer.Reserve(tokens);
        _gathered.Reserve((long)tokens * _stride);
        _projected.Reserve((long)tokens * _width);
        _maximum.Reserve((long)tokens * _strips);
        _sum.Reserve((long)tokens * _strips);
        _plan.Reserve(_layout.TailCount + 1);
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
