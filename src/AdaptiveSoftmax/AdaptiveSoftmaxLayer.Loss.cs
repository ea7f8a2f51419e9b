namespace AdaptiveSoftmax;

public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>The loss of a batch, without gradients.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Loss(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default) =>
        _training.Run(CheckHidden(hidden), hidden, targets, [], [], options, weights, losses, wantsGradient: false);

    /// <summary>The log-prob of each target and the loss: PyTorch's <c>forward</c>.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Forward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> targetLogProbs, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        TrainingRun.CheckRoom(targetLogProbs.Length, targets.Length, "log-probs", nameof(targetLogProbs));
        return _training.Run(CheckHidden(hidden), hidden, targets, targetLogProbs, [], options, weights, losses, wantsGradient: false);
    }

    /// <summary>
    /// The loss and its gradients: sets that of the hidden vectors, adds to those of the parameters. A tail that no
    /// target needs costs nothing and its parameters get no gradient.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        if (hiddenGradient.Length != hidden.Length)
            throw new ArgumentException($"The gradient has room for {hiddenGradient.Length} values of {hidden.Length}; it must have the hidden vectors' shape.", nameof(hiddenGradient));
        return _training.Run(CheckHidden(hidden), hidden, targets, [], hiddenGradient, options, weights, losses, wantsGradient: true);
    }

    /// <summary>
    /// The loss and the gradients of the parameters, to which it adds, without that of the hidden vectors: for a body that does
    /// not learn. It spares one of the three products of the head, and of each projection.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default) =>
        _training.Run(CheckHidden(hidden), hidden, targets, [], [], options, weights, losses, wantsGradient: true);
}
