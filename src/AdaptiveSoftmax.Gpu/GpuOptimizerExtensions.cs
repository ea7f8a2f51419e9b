namespace AdaptiveSoftmax.Gpu;

/// <summary>Steps of a whole layer on a device.</summary>
public static class GpuOptimizerExtensions
{
    /// <summary>Takes one step of a layer's own parameters.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="layer">The layer; a body's parameters are stepped in a call that names both.</param>
    /// <exception cref="ObjectDisposedException">The optimizer or the layer is disposed.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for state.</exception>
    public static void Step(this GpuOptimizer optimizer, GpuAdaptiveSoftmax layer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(layer);
        optimizer.Step(layer.Parameters);
    }

    /// <summary>Takes one step of a layer's own parameters. Waits for the device, to say whether it was taken.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="layer">The layer; a body's parameters are stepped in a call that names both.</param>
    /// <returns>Whether the step was taken; where a gradient is not finite, it is left out.</returns>
    /// <exception cref="ObjectDisposedException">The optimizer or the layer is disposed.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory for state.</exception>
    public static bool TryStep(this GpuOptimizer optimizer, GpuAdaptiveSoftmax layer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(layer);
        return optimizer.TryStep(layer.Parameters);
    }
}
