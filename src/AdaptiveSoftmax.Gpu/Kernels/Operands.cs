using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// One factor of a product Σ_k A(row, k) · B(column, k), read four values at a time. Which index the four run along
/// follows from how the matrix lies in memory.
/// </summary>
internal interface IOperand
{
    /// <summary>Whether the four values run along the depth k; otherwise along the outer index.</summary>
    bool RunsAlongDepth { get; }

    /// <summary>The four values from an outer index and a depth on, both multiples of 4 where the values run along them.</summary>
    Float4 Load(int outer, int depth);
}

/// <summary>
/// A matrix whose rows are the outer index: hidden vectors and weights in a forward product. Strides are multiples of 8
/// and what lies between the columns and the stride is 0, so that the depth needs no border.
/// </summary>
/// <param name="blocks">Where the matrix lies.</param>
/// <param name="offset">Where it begins there, in fours.</param>
/// <param name="rows">Its rows; further ones read as 0.</param>
/// <param name="stride">The stride in values.</param>
internal readonly struct RowOperand<TBlock>(ArrayView<TBlock> blocks, long offset, int rows, int stride) : IOperand
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    public bool RunsAlongDepth => true;

    public Float4 Load(int outer, int depth)
    {
        Float4 value = default;
        if (outer < rows) value = default(TBlock).Four(blocks, offset + ((long)outer * (stride >> 2)) + (depth >> 2));
        return value;
    }
}

/// <summary>
/// A matrix whose rows are the depth: weights in the gradient of an input, both factors in the gradient of a weight.
/// </summary>
/// <param name="fours">Where the matrix lies.</param>
/// <param name="offset">Where it begins there, in fours.</param>
/// <param name="rows">Its rows; further ones read as 0.</param>
/// <param name="stride">The stride in values.</param>
internal readonly struct DepthOperand(ArrayView<Float4> fours, long offset, int rows, int stride) : IOperand
{
    public bool RunsAlongDepth => false;

    public Float4 Load(int outer, int depth)
    {
        Float4 value = default;
        if (depth < rows && outer < stride) value = fours[offset + ((long)depth * (stride >> 2)) + (outer >> 2)];
        return value;
    }
}
