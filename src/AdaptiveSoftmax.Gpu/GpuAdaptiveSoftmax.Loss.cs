using System.Globalization;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

public abstract partial class GpuAdaptiveSoftmax
{
    /// <summary>The loss of a batch, without gradients.</summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public float Loss(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null)
    {
        var (vectors, ids) = Upload(hidden, targets, options);
        return Loss(vectors, ids, options).Read();
    }

    /// <summary>The loss of a batch on the device, without gradients.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a view belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuLoss Loss(ArrayView<float> hidden, ArrayView<int> targets, LossOptions? options = null)
    {
        Train(hidden, targets, default, options, wantsGradient: false);
        return new GpuLoss(this, _tables.Loss, targets);
    }

    /// <summary>The log-prob of each target and the loss: PyTorch's <c>forward</c>.</summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public float Forward(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> targetLogProbs, LossOptions? options = null)
    {
        if (targetLogProbs.Length != targets.Length)
            throw new ArgumentException($"There is room for {targetLogProbs.Length} log-probs of {targets.Length} targets; give one place each.", nameof(targetLogProbs));
        var (vectors, ids) = Upload(hidden, targets, options);
        var result = _training.HostResult.SubView(0, targets.Length);
        var loss = Forward(vectors, ids, result, options).Read();
        result.CopyToCPU(Stream, targetLogProbs);
        return loss;
    }

    /// <summary>The log-prob of each target and the loss, on the device.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuLoss Forward(ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> targetLogProbs, LossOptions? options = null)
    {
        CheckView(targetLogProbs, targets.Length, "The memory for log-probs", nameof(targetLogProbs));
        ViewOverlap.Refuse(hidden, targetLogProbs, "the hidden vectors", "the log-probs", nameof(targetLogProbs));
        ViewOverlap.Refuse(targets, targetLogProbs, "the targets", "the log-probs", nameof(targetLogProbs));
        Train(hidden, targets, default, options, wantsGradient: false);
        if (targets.Length > 0)
        {
            _kernels.Clear(Stream, Launches.Threads(Accelerator, targets.Length), targetLogProbs);
            _kernels.ScatterLogProbs(Stream, Launches.Threads(Accelerator, targets.Length), _training.Plan, _training.Order, _training.TargetLogProbs, targetLogProbs);
        }

        return new GpuLoss(this, _tables.Loss, targets);
    }

    /// <summary>
    /// The loss and its gradients: sets that of the hidden vectors, adds to those of the parameters. A tail that no
    /// target needs costs nothing and its parameters get no gradient.
    /// </summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public float Backward(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null)
    {
        if (hiddenGradient.Length != hidden.Length)
            throw new ArgumentException($"The gradient has room for {hiddenGradient.Length} values of {hidden.Length}; it must have the hidden vectors' shape.", nameof(hiddenGradient));
        var (vectors, ids) = Upload(hidden, targets, options);
        var result = _training.HostResult.SubView(0, hidden.Length);
        var loss = Backward(vectors, ids, result, options).Read();
        if (hidden.Length > 0) result.CopyToCPU(Stream, hiddenGradient);
        return loss;
    }

    /// <summary>The loss and its gradients on the device. It waits for nothing, not even to learn the loss.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden]; memory of its own.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuLoss Backward(ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, LossOptions? options = null)
    {
        CheckView(hiddenGradient, hidden.Length, "The gradient of the hidden vectors", nameof(hiddenGradient));
        ViewOverlap.Refuse(hidden, hiddenGradient, "the hidden vectors", "their gradient", nameof(hiddenGradient));
        ViewOverlap.Refuse(targets, hiddenGradient, "the targets", "the gradient of the hidden vectors", nameof(hiddenGradient));
        Train(hidden, targets, hiddenGradient, options, wantsGradient: true);
        return new GpuLoss(this, _tables.Loss, targets);
    }

    internal float ReadLoss(ArrayView<float> loss, ArrayView<int> targets)
    {
        CheckUsable();
        var value = new float[1];
        loss.CopyToCPU(Stream, value);
        if (targets.Length == 0) return value[0];
        var unknown = new int[1];
        _tables.FirstUnknown.CopyToCPU(Stream, unknown);
        if (unknown[0] == int.MaxValue) return value[0];
        var id = new int[1];
        targets.SubView(unknown[0], 1).CopyToCPU(Stream, id);
        throw UnknownTarget(unknown[0], id[0]);
    }

    private ArgumentException UnknownTarget(int position, int id) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Target {position} is {id}, which is not a token id of this vocabulary of {Layout.VocabularySize} tokens; for a position without a target use the ignore index."));

    // Checks targets before anything is computed, which a call with views cannot.
    private (ArrayView<float> Hidden, ArrayView<int> Targets) Upload(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options)
    {
        var tokens = CountTokens(hidden.Length, nameof(hidden));
        if (targets.Length != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There are {targets.Length} targets for {tokens} hidden vectors; give one each."), nameof(targets));
        var ignoreIndex = (options ?? LossOptions.Default).IgnoreIndex;
        for (var i = 0; i < targets.Length; i++)
        {
            if (targets[i] != ignoreIndex && FindSlot(targets[i]) < 0) throw UnknownTarget(i, targets[i]);
        }

        _training.Reserve(Math.Max(1, tokens), withGradient: false);
        _training.ReserveHost(tokens);
        var vectors = _training.HostHidden.SubView(0, hidden.Length);
        var ids = _training.HostTargets.SubView(0, tokens);
        if (tokens > 0)
        {
            vectors.CopyFromCPU(Stream, hidden);
            ids.CopyFromCPU(Stream, targets);
        }

        return (vectors, ids);
    }

    private void Train(ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, LossOptions? options, bool wantsGradient)
    {
        options ??= LossOptions.Default;
        options.Check();
        if (options.Reduction == Reduction.None || options.GradientScale != 1)
            throw new NotSupportedException($"A device reduces losses to their mean or sum and does not scale gradients; use the reduction {nameof(Reduction.Mean)} or {nameof(Reduction.Sum)} and a gradient scale of 1.");
        var tokens = CountTokens(hidden.Length, nameof(hidden));
        CheckView(hidden, hidden.Length, "The memory of hidden vectors", nameof(hidden));
        CheckView(targets, tokens, "The memory of targets", nameof(targets));
        if (tokens == 0)
        {
            _kernels.Clear(Stream, Launches.OneGroup, _tables.Loss);
            return;
        }

        if (_tensors is not null && options.LabelSmoothing > 0)
            throw new NotSupportedException("Label smoothing is not computed on tensor cores; create the layer without them.");
        _training.Reserve(tokens, wantsGradient, withLogits: _tensors is null);
        _tensors?.Reserve(tokens, _training, wantsGradient);
        var step = new TrainingStep(Stream, Accelerator, Layout, _kernels, _products, _training, _tensors, _tables, options, tokens, _options.KeepsLogits);
        step.Group(hidden, targets);
        step.Head(wantsGradient);
        step.Tails(wantsGradient);
        step.Finish(hiddenGradient, wantsGradient);
    }
}
