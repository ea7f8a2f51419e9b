using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of decoding: for each token a few values a strip, and its vectors.</summary>
internal sealed class DecodeScratch : IDisposable
{
    private readonly SoftmaxLayout _layout;
    private readonly int _strips;
    private readonly Scratch _memory;
    private readonly GrowingBuffer<float> _hidden;
    private readonly GrowingBuffer<float> _memberHidden;
    private readonly GrowingBuffer<float> _projected;
    private readonly GrowingBuffer<float> _maximum;
    private readonly GrowingBuffer<float> _sum;
    private readonly GrowingBuffer<float> _best;
    private readonly GrowingBuffer<int> _bestRow;
    private readonly GrowingBuffer<float> _clusters;
    private readonly GrowingBuffer<float> _score;
    private readonly GrowingBuffer<int> _slot;
    private readonly GrowingBuffer<int> _members;
    private readonly GrowingBuffer<float> _logSumExp;
    private readonly GrowingBuffer<float> _hostHidden;
    private readonly GrowingBuffer<int> _tokens;
    private readonly GrowingBuffer<BatchPlan> _plan;

    /// <summary>Describes the memory, of which nothing is there yet.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="strips">The strips of the cluster that has most.</param>
    public DecodeScratch(Accelerator accelerator, SoftmaxLayout layout, int strips)
    {
        _layout = layout;
        _strips = strips;
        _memory = new Scratch(accelerator);
        _hidden = _memory.Add<float>("hidden vectors in decoding");
        _memberHidden = _memory.Add<float>("hidden vectors of a tail in decoding");
        _projected = _memory.Add<float>("projected vectors in decoding");
        _maximum = _memory.Add<float>("partial maxima in decoding");
        _sum = _memory.Add<float>("partial sums in decoding");
        _best = _memory.Add<float>("best logits in decoding");
        _bestRow = _memory.Add<int>("best rows in decoding");
        _clusters = _memory.Add<float>("log-probs of clusters in decoding");
        _score = _memory.Add<float>("best log-probs in decoding");
        _slot = _memory.Add<int>("best slots in decoding");
        _members = _memory.Add<int>("the tokens of a tail in decoding");
        _logSumExp = _memory.Add<float>("log-sum-exp in decoding");
        _hostHidden = _memory.Add<float>("hidden vectors from the host");
        _tokens = _memory.Add<int>("predicted tokens");
        _plan = _memory.Add<BatchPlan>("the plan of decoding");
    }

    /// <summary>How often the memory was exchanged.</summary>
    public int Generation => _memory.Generation;

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

    public ArrayView<float> HostHidden => _hostHidden.View;

    public ArrayView<int> Tokens => _tokens.View;

    public ArrayView<BatchPlan> Plan => _plan.View;

    public long Bytes => _memory.Bytes;

    public void Reserve(int tokens)
    {
        if (tokens > _memory.Capacity) Exchange(tokens);
    }

    public void Dispose() => _memory.Dispose();

    private void Exchange(int tokens) => _memory.Exchange(tokens, () =>
    {
        var width = _layout.Tails.Select(tail => Sizes.Stride(tail.ProjectionWidth)).DefaultIfEmpty(0).Max();
        _hidden.Reserve((long)tokens * Sizes.Stride(_layout.HiddenSize));
        _memberHidden.Reserve((long)tokens * Sizes.Stride(_layout.HiddenSize));
        _projected.Reserve((long)tokens * width);
        _maximum.Reserve((long)tokens * _strips);
        _sum.Reserve((long)tokens * _strips);
        _best.Reserve((long)tokens * _strips);
        _bestRow.Reserve((long)tokens * _strips);
        _clusters.Reserve((long)tokens * _layout.TailCount);
        _score.Reserve(tokens);
        _slot.Reserve(tokens);
        _members.Reserve(tokens);
        _logSumExp.Reserve(tokens);
        _hostHidden.Reserve((long)tokens * _layout.HiddenSize);
        _tokens.Reserve(tokens);
        _plan.Reserve(_layout.TailCount + 1);
    });
}
