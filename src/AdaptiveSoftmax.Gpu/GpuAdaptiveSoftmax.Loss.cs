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
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, a target is not in the vocabulary, or a weight or an option is out of range.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails.</exception>
    public float Loss(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        var batch = Upload(hidden, targets, options, weights, losses);
        var loss = Loss(batch.Hidden, batch.Targets, options, batch.Weights, batch.Losses).Read();
        batch.Losses.CopyToHost(Stream, losses);
        return loss;
    }

    /// <summary>The loss of a batch on the device, without gradients. As <c>Backward</c> it may wait until targets are counted.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">
    /// What each token's loss counts, [tokens]; none for 1. The device does not look at them: where one is not finite, loss and
    /// gradients are not, and where a mean's sum up to nothing above 0, they are 0.
    /// </param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails.</exception>
    public GpuLoss Loss(
        ArrayView<float> hidden, ArrayView<int> targets, LossOptions? options = null, ArrayView<float> weights = default, ArrayView<float> losses = default) =>
        Train(hidden, targets, default, options, weights, losses, GradientWish.None);

    /// <summary>The log-prob of each target and the loss: PyTorch's <c>forward</c>.</summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, a target is not in the vocabulary, or a weight or an option is out of range.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails.</exception>
    public float Forward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> targetLogProbs, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        TrainingRun.CheckRoom(targetLogProbs.Length, targets.Length, "log-probs", nameof(targetLogProbs));
        var batch = Upload(hidden, targets, options, weights, losses);
        var result = _training.HostResult.SubView(0, targets.Length);
        var loss = Forward(batch.Hidden, batch.Targets, result, options, batch.Weights, batch.Losses).Read();
        result.CopyToHost(Stream, targetLogProbs);
        batch.Losses.CopyToHost(Stream, losses);
        return loss;
    }

    /// <summary>The log-prob of each target and the loss, on the device. As <c>Backward</c> it may wait until targets are counted.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">
    /// What each token's loss counts, [tokens]; none for 1. The device does not look at them: where one is not finite, loss and
    /// gradients are not, and where a mean's sum up to nothing above 0, they are 0.
    /// </param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails.</exception>
    public GpuLoss Forward(
        ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> targetLogProbs, LossOptions? options = null, ArrayView<float> weights = default, ArrayView<float> losses = default)
    {
        CheckView(targetLogProbs, targets.Length, "The memory for log-probs", nameof(targetLogProbs));
        RefuseSharedMemory(hidden, targets, weights, targetLogProbs, "the log-probs", nameof(targetLogProbs));
        ViewOverlap.Refuse(targetLogProbs, losses, "the log-probs", "the losses", nameof(losses));
        var loss = Train(hidden, targets, default, options, weights, losses, GradientWish.None);
        if (targets.Length > 0)
        {
            Kernels.ScatterLogProbs(Stream, Launches.Threads(Accelerator, targets.Length), _training.Places, _training.TargetLogProbs, targetLogProbs);
        }

        return loss;
    }

    /// <summary>
    /// The loss and its gradients: sets that of the hidden vectors, adds to those of the parameters. A tail that no
    /// target needs costs nothing and its parameters get no gradient.
    /// </summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, a target is not in the vocabulary, or a weight or an option is out of range.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails, perhaps behind products that were added to gradients: forget these with <see cref="GpuParameter.ZeroGradient"/>.</exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        if (hiddenGradient.Length != hidden.Length)
            throw new ArgumentException($"The gradient has room for {hiddenGradient.Length} values of {hidden.Length}; it must have the hidden vectors' shape.", nameof(hiddenGradient));
        var batch = Upload(hidden, targets, options, weights, losses);
        var result = _training.HostResult.SubView(0, hidden.Length);
        var loss = Backward(batch.Hidden, batch.Targets, result, options, batch.Weights, batch.Losses).Read();
        result.CopyToHost(Stream, hiddenGradient);
        batch.Losses.CopyToHost(Stream, losses);
        return loss;
    }

    /// <summary>
    /// The loss and the gradients of the parameters, to which it adds, without that of the hidden vectors: for a body that does
    /// not learn. It spares one of the three products of the head, and of each projection.
    /// </summary>
    /// <param name="hidden">Hidden vectors on the host, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, a target is not in the vocabulary, or a weight or an option is out of range.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails, perhaps behind products that were added to gradients: forget these with <see cref="GpuParameter.ZeroGradient"/>.</exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        var batch = Upload(hidden, targets, options, weights, losses);
        var loss = Backward(batch.Hidden, batch.Targets, options, batch.Weights, batch.Losses).Read();
        batch.Losses.CopyToHost(Stream, losses);
        return loss;
    }

    /// <summary>
    /// The loss and its gradients on the device. It does not wait for them; where a batch may take more than four chunks of
    /// <see cref="GpuOptions.LogitBytes"/>, or cuBLASLt multiplies, it waits until the targets of each cluster are counted, and a recording never does.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden]; memory of its own.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">
    /// What each token's loss counts, [tokens]; none for 1. The device does not look at them: where one is not finite, loss and
    /// gradients are not, and where a mean's sum up to nothing above 0, they are 0.
    /// </param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails, perhaps behind products that were added to gradients: forget these with <see cref="GpuParameter.ZeroGradient"/>.</exception>
    public GpuLoss Backward(
        ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, LossOptions? options = null, ArrayView<float> weights = default, ArrayView<float> losses = default)
    {
        CheckView(hiddenGradient, hidden.Length, "The gradient of the hidden vectors", nameof(hiddenGradient));
        RefuseSharedMemory(hidden, targets, weights, hiddenGradient, "the gradient of the hidden vectors", nameof(hiddenGradient));
        ViewOverlap.Refuse(hiddenGradient, losses, "the gradient of the hidden vectors", "the losses", nameof(losses));
        return Train(hidden, targets, hiddenGradient, options, weights, losses, GradientWish.HiddenToo);
    }

    /// <summary>
    /// The loss and the gradients of the parameters on the device, without that of the hidden vectors: for a body that does not
    /// learn. It waits as that with this gradient does.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">
    /// What each token's loss counts, [tokens]; none for 1. The device does not look at them: where one is not finite, loss and
    /// gradients are not, and where a mean's sum up to nothing above 0, they are 0.
    /// </param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, views share memory, or one belongs to another accelerator.</exception>
    /// <exception cref="NotSupportedException">Tokens have weights, or labels are smoothed, on tensor cores.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="CublasException">cuBLASLt fails, perhaps behind products that were added to gradients: forget these with <see cref="GpuParameter.ZeroGradient"/>.</exception>
    public GpuLoss Backward(
        ArrayView<float> hidden, ArrayView<int> targets, LossOptions? options = null, ArrayView<float> weights = default, ArrayView<float> losses = default) =>
        Train(hidden, targets, default, options, weights, losses, GradientWish.Parameters);

    internal float ReadLoss(ArrayView<float> loss, ArrayView<int> targets)
    {
        CheckUsable();
        var value = new float[1];
        loss.CopyToCPU(Stream, value);
        if (targets.Length == 0) return value[0];
        var unknown = new int[1];
        _targets.FirstUnknown.CopyToCPU(Stream, unknown);
        if (unknown[0] == int.MaxValue) return value[0];
        var id = new int[1];
        targets.SubView(unknown[0], 1).CopyToCPU(Stream, id);
        throw UnknownTarget(unknown[0], id[0]);
    }

    private ArgumentException UnknownTarget(int position, int id) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Target {position} is {id}, which is not a token id of this vocabulary of {Layout.VocabularySize} tokens; for a position without a target use the ignore index."));

    /// <exception cref="ArgumentException">A target is not in the vocabulary.</exception>
    internal void CheckTargets(ReadOnlySpan<int> targets, LossOptions options)
    {
        for (var i = 0; i < targets.Length; i++)
        {
            if (targets[i] != options.IgnoreIndex && FindSlot(targets[i]) < 0) throw UnknownTarget(i, targets[i]);
        }
    }

    // Checks targets and weights before anything is computed, which a call with views cannot.
    private HostBatch Upload(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options, ReadOnlySpan<float> weights, ReadOnlySpan<float> losses)
    {
        options ??= LossOptions.Default;
        var tokens = CountTokens(hidden.Length, nameof(hidden));
        if (targets.Length != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There are {targets.Length} targets for {tokens} hidden vectors; give one each."), nameof(targets));
        CheckTargets(targets, options);
        if (!losses.IsEmpty || options.Reduction == Reduction.None) TrainingRun.CheckRoom(losses.Length, tokens, "losses", nameof(losses));
        TrainingRun.CheckWeights(weights, tokens, options.Reduction);
        _training.Reserve(Math.Max(1, tokens), withGradient: false, withHiddenGradient: false);
        _training.ReserveHost(tokens);
        var batch = new HostBatch
        {
            Hidden = _training.HostHidden.SubView(0, hidden.Length),
            Targets = _training.HostTargets.SubView(0, tokens),
            Weights = _training.HostWeights.SubView(0, weights.Length),
            Losses = _training.HostLosses.SubView(0, losses.Length),
        };
        if (tokens == 0) return batch;
        batch.Hidden.CopyFromCPU(Stream, hidden);
        batch.Targets.CopyFromCPU(Stream, targets);
        if (!weights.IsEmpty) batch.Weights.CopyFromCPU(Stream, weights);
        return batch;
    }

    private GpuLoss Train(
        ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, LossOptions? options, ArrayView<float> weights, ArrayView<float> losses, GradientWish wish)
    {
        options ??= LossOptions.Default;
        options.Check();
        var tokens = CountTokens(hidden.Length, nameof(hidden));
        CheckView(hidden, hidden.Length, "The memory of hidden vectors", nameof(hidden));
        CheckView(targets, tokens, "The memory of targets", nameof(targets));
        if (weights.Length > 0) CheckView(weights, tokens, "The memory of weights", nameof(weights));
        if (losses.Length > 0 || options.Reduction == Reduction.None) CheckView(losses, tokens, "The memory for losses", nameof(losses));
        RefuseSharedMemory(hidden, targets, weights, losses, "the losses", nameof(losses));
        var result = new GpuLoss(this, _targets.Loss, targets);
        if (tokens == 0)
        {
            Kernels.Clear(Stream, Launches.OneGroup, _targets.Loss);
            return result;
        }

        if (_tensors is not null && (options.LabelSmoothing > 0 || weights.Length > 0))
            throw new NotSupportedException($"{(weights.Length > 0 ? "Weights of tokens are" : "Label smoothing is")} not computed on tensor cores; create the layer without them.");
        var wantsGradient = wish != GradientWish.None;
        _training.Reserve(tokens, wantsGradient, wish == GradientWish.HiddenToo);
        _tensors?.Reserve(tokens, _training, wantsGradient);
        if (wantsGradient) ReserveGradients();
        IDeviceProducts multiplier = _cublas is null ? PortableProducts.Instance : _cublas;
        new TrainingStep(Stream, Accelerator, Layout, Kernels, _products, multiplier, _training, _tensors, Tables, _targets, options, weights, tokens, wish, ReadsPlan(tokens))
            .Run(hidden, targets, hiddenGradient, losses);
        return result;
    }

    // All of them before the first launch: a step that found no room for the last would leave the others half added to.
    private void ReserveGradients()
    {
        foreach (var parameter in _parameters)
        {
            if (parameter.RequiresGradient) parameter.ReserveGradient();
        }
    }

    // A batch that lies in the largest cluster as a whole takes most chunks, and another few of them. To wait for the device until
    // it has counted costs as much as some ten launches that find nothing to do; each chunk has four. A recording must not wait,
    // and cuBLASLt must be told how many tokens a product has.
    private bool ReadsPlan(int tokens) => !IsRecording && (_cublas is not null || (_tensors?.MostChunks(tokens) ?? _training.MostChunks(tokens)) > 4);

    private static void RefuseSharedMemory(ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> weights, ArrayView<float> output, string name, string argument)
    {
        ViewOverlap.Refuse(hidden, output, "the hidden vectors", name, argument);
        ViewOverlap.Refuse(targets, output, "the targets", name, argument);
        ViewOverlap.Refuse(weights, output, "the weights", name, argument);
    }

    /// <summary>A batch of the host's on the device.</summary>
    private readonly record struct HostBatch
    {
        public ArrayView<float> Hidden { get; init; }

        public ArrayView<int> Targets { get; init; }

        public ArrayView<float> Weights { get; init; }

        public ArrayView<float> Losses { get; init; }
    }
}
