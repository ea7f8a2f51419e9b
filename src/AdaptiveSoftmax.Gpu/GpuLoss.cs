using ILGPU;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The loss of a batch, still on the device. It holds until the layer's next call; reading it is what waits for the device.
/// </summary>
public readonly struct GpuLoss
{
    private readonly GpuAdaptiveSoftmax? _layer;
    private readonly ArrayView<int> _targets;

    internal GpuLoss(GpuAdaptiveSoftmax layer, ArrayView<float> view, ArrayView<int> targets)
    {
        _layer = layer;
        _targets = targets;
        View = view;
    }

    /// <summary>One value on the device: the reduced loss, 0 for a batch without targets.</summary>
    public ArrayView<float> View { get; }

    /// <summary>Waits for the device and reads the loss.</summary>
    /// <exception cref="ArgumentException">
    /// A target is not in the vocabulary. Such targets counted as ignored; the message names the first.
    /// </exception>
    /// <exception cref="InvalidOperationException">This is the loss of no batch.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public float Read() =>
        _layer is null ? throw new InvalidOperationException("There is no loss to read: this is no result of Loss, Forward or Backward.") : _layer.ReadLoss(View, _targets);
}
