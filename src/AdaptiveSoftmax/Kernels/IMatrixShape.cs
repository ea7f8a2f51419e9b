namespace AdaptiveSoftmax;

/// <summary>
/// The shape of a weight matrix. A generated shape is an empty struct with constant properties, which the JIT folds
/// into the kernels that are generic over it; <see cref="MatrixShape"/> carries sizes known only at run time.
/// </summary>
public interface IMatrixShape
{
    /// <summary>The rows: the outputs of the linear layer.</summary>
    int Rows { get; }

    /// <summary>The columns: the inputs of the linear layer.</summary>
    int Columns { get; }
}

/// <summary>A matrix shape known only at run time.</summary>
/// <param name="Rows">The outputs of the linear layer.</param>
/// <param name="Columns">The inputs of the linear layer.</param>
public readonly record struct MatrixShape(int Rows, int Columns) : IMatrixShape;
