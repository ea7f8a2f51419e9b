namespace AdaptiveSoftmax;

/// <summary>Which rows of a parameter's gradient a training step can reach.</summary>
public enum GradientLayout
{
    /// <summary>Every row: a weight of a linear layer.</summary>
    Dense,

    /// <summary>
    /// Only the rows that were asked for through <see cref="Parameter.TouchGradientRow"/>: an embedding table, of which a
    /// step uses a few rows. Optimizers visit only those.
    /// </summary>
    SparseRows,
}
