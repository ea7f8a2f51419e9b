using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of decoding: for each token a few values a strip, and its vectors.</summary>
internal sealed class DecodeScratch(Accelerator accelerator, SoftmaxLayout layout, int strips) : IDisposable
{
    private readonly GrowingBuffer<float> _hidden = new(accelerator, "hidden vectors in decoding");
    private readonly GrowingBuffer<float> _memberHidden = new(accelerator, "hidden vectors of a tail in decoding");
    private readonly GrowingBuffer<float> _projected = new(accelerator, "projected vectors in decoding");
    private readonly GrowingBuffer<float> _maximum = new(accelerator, "partial maxima in decoding");
    private readonly GrowingBuffer<float> _sum = new(accelerator, "partial sums in decoding");
    private readonly GrowingBuffer<float> _best = new(accelerator, "best logits in decoding");
    private readonly GrowingBuffer<int> _bestRow = new(accelerator, "best rows in decoding");
    private readonly GrowingBuffer<float> _clusters = new(accelerator, "log-probs of clusters in decoding");
    private readonly GrowingBuffer<float> _score = new(accelerator, "best log-probs in decoding");
    private readonly GrowingBuffer<int> _slot = new(accelerator, "best slots in decoding");
    private readonly GrowingBuffer<int> _members = new(accelerator, "the tokens of a tail in decoding");
    private readonly GrowingBuffer<float> _logSumExp = new(accelerator, "log-sum-exp in decoding");
    private readonly GrowingBuffer<int> _noTargets = new(accelerator, "the missing targets of log-probs");
    private readonly GrowingBuffer<float> _hostHidden = new(accelerator, "hidden vectors from the host");
    private readonly GrowingBuffer<int> _tokens = new(accelerator, "predicted tokens");
    private readonly GrowingBuffer<BatchPlan> _plan = new(accelerator, "the plan of decoding");

    public int Capacity { get; private set; }

    /// <summary>How often the memory was exchanged.</summary>
    public int Generation { get; private set; }

    public ArrayView<float> Hidden => _hidden.View;

    public ArrayView<float> MemberHidden => _memberHidden.View;

    public ArrayView<float> Projected => _projected.View;

    public ArrayView<float> Maximum => _maximum.View;

    public ArrayView<float> Sum => _sum.View;

    public ArrayView<float> Best => _best.View;

    public ArrayView<int> BestRow => _bestRow.View;

    public ArrayView<float> Clusters => _clusters.View;

    public ArrayView<float> Score => _score.View;

    public ArrayView<int> Slot => _slot.View;

    public ArrayView<int> Members => _members.View;

    public ArrayView<float> LogSumExp => _logSumExp.View;

    public ArrayView<int> NoTargets => _noTargets.View;

    public ArrayView<float> HostHidden => _hostHidden.View;

    public ArrayView<int> Tokens => _tokens.View;

    public ArrayView<BatchPlan> Plan => _plan.View;

    public long Bytes =>
        _hidden.Bytes + _memberHidden.Bytes + _projected.Bytes + _maximum.Bytes + _sum.Bytes + _best.Bytes + _bestRow.Bytes + _clusters.Bytes
        + _score.Bytes + _slot.Bytes + _members.Bytes + _logSumExp.Bytes + _noTargets.Bytes + _hostHidden.Bytes + _tokens.Bytes + _plan.Bytes;

    public void Reserve(int tokens)
    {
        if (tokens <= Capacity) return;
        var width = layout.Tails.Select(tail => Sizes.Stride(tail.ProjectionWidth)).DefaultIfEmpty(0).Max();
        _hidden.Reserve((long)tokens * Sizes.Stride(layout.HiddenSize));
        _memberHidden.Reserve((long)tokens * Sizes.Stride(layout.HiddenSize));
        _projected.Reserve((long)tokens * width);
        _maximum.Reserve((long)tokens * strips);
        _sum.Reserve((long)tokens * strips);
        _best.Reserve((long)tokens * strips);
        _bestRow.Reserve((long)tokens * strips);
        _clusters.Reserve((long)tokens * layout.TailCount);
        _score.Reserve(tokens);
        _slot.Reserve(tokens);
        _members.Reserve(tokens);
        _logSumExp.Reserve(tokens);
        _noTargets.Reserve(tokens);
        _noTargets.View.MemSet(0xFF);
        _hostHidden.Reserve((long)tokens * layout.HiddenSize);
        _tokens.Reserve(tokens);
        _plan.Reserve(layout.TailCount + 1);
        Capacity = tokens;
        Generation++;
    }

    public void Dispose()
    {
        foreach (var buffer in new IDisposable[] { _hidden, _memberHidden, _projected, _maximum, _sum, _best, _bestRow, _clusters, _score, _slot, _members, _logSumExp, _noTargets, _hostHidden, _tokens, _plan })
            buffer.Dispose();
    }
}
