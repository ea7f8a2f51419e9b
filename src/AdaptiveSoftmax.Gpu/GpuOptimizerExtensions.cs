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
}
