using ILGPU;

namespace AdaptiveSoftmax.Gpu;

// Backward passes of a fixed shape, recorded once and replayed.
public abstract partial class GpuAdaptiveSoftmax
{
    /// <summary>
    /// Takes a backward pass as <see cref="Backward(ArrayView{float}, ArrayView{int}, ArrayView{float}, LossOptions?, ArrayView{float}, ArrayView{float})"/>
    /// does, and records the launches: a replay takes one for what the same memory holds then. The loss of any of them is
    /// that of <see cref="GpuRecording.Loss"/>.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden]; memory of its own.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1.</param>
    /// <param name="losses">Receives the loss of each token, [tokens]; none where nobody wants them.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a view belongs to another accelerator.</exception>
    /// <exception cref="NotSupportedException">The layer multiplies by cuBLASLt.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuRecording RecordBackward(
        ArrayView<float> hidden, ArrayView<int> targets, ArrayView<float> hiddenGradient, LossOptions? options = null, ArrayView<float> weights = default, ArrayView<float> losses = default) =>
        RecordBackward(() => Backward(hidden, targets, hiddenGradient, options, weights, losses), targets);

    /// <summary>
    /// Takes a backward pass without the gradient of the hidden vectors, as
    /// <see cref="Backward(ArrayView{float}, ArrayView{int}, LossOptions?, ArrayView{float}, ArrayView{float})"/> does, and records
    /// the launches.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1.</param>
    /// <param name="losses">Receives the loss of each token, [tokens]; none where nobody wants them.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a view belongs to another accelerator.</exception>
    /// <exception cref="NotSupportedException">The layer multiplies by cuBLASLt.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuRecording RecordBackward(
        ArrayView<float> hidden, ArrayView<int> targets, LossOptions? options = null, ArrayView<float> weights = default, ArrayView<float> losses = default) =>
        RecordBackward(() => Backward(hidden, targets, options, weights, losses), targets);

    internal override int LearningChanges => _parameters.Sum(parameter => parameter.LearningChanges);

    internal override (int Training, int Decoding) Generation => (_training.Generation + (_tensors?.Generation ?? 0), base.Generation.Decoding);

    private GpuRecording RecordBackward(Action call, ArrayView<int> targets)
    {
        CheckUsable();
        if (_cublas is not null)
            throw new NotSupportedException($"A recording takes whatever batch its memory holds later, and cuBLASLt must be told how many tokens each cluster has; record the steps of a layer with {nameof(ProductPrecision)}.{nameof(ProductPrecision.Float32)}, or take them without a recording.");
        var recording = Record(call, usesGrowingMemory: true);
        recording.Loss = new GpuLoss(this, _targets.Loss, targets);
        recording.LearningChanges = LearningChanges;
        return recording;
    }
}
