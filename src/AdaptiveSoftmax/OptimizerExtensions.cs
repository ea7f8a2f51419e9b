namespace AdaptiveSoftmax;

/// <summary>Steps of a whole layer.</summary>
public static class OptimizerExtensions
{
    /// <summary>Takes one step of a layer's own parameters.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="layer">The layer; a body's parameters are stepped in a call that names both.</param>
    /// <exception cref="NotFiniteNumberException">A gradient is not finite; nothing was changed.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer or the layer is disposed.</exception>
    public static void Step(this Optimizer optimizer, AdaptiveSoftmaxLayer layer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(layer);
        optimizer.Step(layer.Parameters);
    }

    /// <summary>Takes one step of a layer's own parameters, or leaves the batch out where a gradient is not finite.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="layer">The layer; a body's parameters are stepped in a call that names both.</param>
    /// <returns>Whether the step was taken; if not, all of the gradients are zero and nothing else has changed.</returns>
    /// <exception cref="ObjectDisposedException">The optimizer or the layer is disposed.</exception>
    public static bool TryStep(this Optimizer optimizer, AdaptiveSoftmaxLayer layer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(layer);
        return optimizer.TryStep(layer.Parameters);
    }
}
