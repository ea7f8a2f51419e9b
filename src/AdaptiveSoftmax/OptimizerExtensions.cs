namespace AdaptiveSoftmax;

/// <summary>Steps of a whole layer.</summary>
public static class OptimizerExtensions
{
    /// <summary>Takes one step of a layer's own parameters.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="layer">The layer; a body's parameters are stepped in a call that names both.</param>
    /// <exception cref="ObjectDisposedException">The optimizer or the layer is disposed.</exception>
    public static void Step(this Optimizer optimizer, AdaptiveSoftmaxLayer layer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(layer);
        optimizer.Step(layer.Parameters);
    }
}
