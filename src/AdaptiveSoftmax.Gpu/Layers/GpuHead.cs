using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The head on a device: a row for each shortlist token, then one for each tail cluster.</summary>
public abstract class GpuHead
{
    private protected GpuHead(GpuLinear linear) => Linear = linear;

    /// <summary><c>head.weight</c>, [shortlist + clusters, hidden].</summary>
    public GpuParameter Weight => Linear.Weight;

    /// <summary><c>head.bias</c>, [shortlist + clusters]; null where the head has none.</summary>
    public GpuParameter? Bias => Linear.Bias;

    internal GpuLinear Linear { get; }
}

/// <summary>A head whose sizes are those of <typeparamref name="TShape"/>; generated classes use it.</summary>
/// <typeparam name="TShape">[shortlist + clusters, hidden].</typeparam>
public sealed class GpuHead<TShape> : GpuHead
    where TShape : unmanaged, IMatrixShape
{
    /// <summary>Describes a head. Its weights get memory, zeros, when a layer is made of it.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="shape">[shortlist + clusters, hidden].</param>
    /// <param name="clusters">The tail clusters.</param>
    /// <param name="hasBias">Whether it has a bias, PyTorch's <c>head_bias</c>.</param>
    /// <param name="tensorCores">The generated kernels for tensor cores, if there are any.</param>
    /// <exception cref="NotSupportedException">ILGPU does not see the shape's type; the message says how to mend that.</exception>
    public GpuHead(Accelerator accelerator, TShape shape, int clusters, bool hasBias, TensorCoreMethods? tensorCores = null)
        : base(GpuLinear.Create(
            shape,
            GpuParameter.CreateWithoutMemory(accelerator, "head.weight", shape.Rows, shape.Columns),
            hasBias ? GpuParameter.CreateWithoutMemory(accelerator, "head.bias", shape.Rows, 1, isVector: true) : null,
            clusters,
            tensorCores)) => ShapeVisibility.Check<TShape>(accelerator);
}
