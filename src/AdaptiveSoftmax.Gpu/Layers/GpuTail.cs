using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>A tail cluster on a device: a projection to a narrower width, and a linear layer over the cluster's tokens.</summary>
public abstract class GpuTail
{
    private protected GpuTail(GpuLinear projection, GpuLinear output)
    {
        ProjectionLinear = projection;
        OutputLinear = output;
    }

    /// <summary><c>tail.{i}.0.weight</c>, [width, hidden].</summary>
    public GpuParameter Projection => ProjectionLinear.Weight;

    /// <summary><c>tail.{i}.1.weight</c>, [tokens of the cluster, width].</summary>
    public GpuParameter Output => OutputLinear.Weight;

    internal GpuLinear ProjectionLinear { get; }

    internal GpuLinear OutputLinear { get; }
}

/// <summary>A tail whose sizes are those of its type arguments; generated classes use it.</summary>
/// <typeparam name="TProjection">[width, hidden].</typeparam>
/// <typeparam name="TOutput">[tokens of the cluster, width].</typeparam>
public sealed class GpuTail<TProjection, TOutput> : GpuTail
    where TProjection : unmanaged, IMatrixShape
    where TOutput : unmanaged, IMatrixShape
{
    /// <summary>Describes a tail. Its weights get memory, zeros, when a layer is made of it.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="cluster">The cluster's number, from 0, in its parameters' names.</param>
    /// <param name="projection">[width, hidden].</param>
    /// <param name="output">[tokens of the cluster, width].</param>
    /// <param name="tensorCores">The generated kernels of the output for tensor cores, if there are any.</param>
    /// <exception cref="NotSupportedException">ILGPU does not see a shape's type; the message says how to mend that.</exception>
    public GpuTail(Accelerator accelerator, int cluster, TProjection projection, TOutput output, TensorCoreMethods? tensorCores = null)
        : base(
            GpuLinear.Create(projection, GpuParameter.CreateWithoutMemory(accelerator, FormattableString.Invariant($"tail.{cluster}.0.weight"), projection.Rows, projection.Columns), bias: null, clusterRows: 0),
            GpuLinear.Create(output, GpuParameter.CreateWithoutMemory(accelerator, FormattableString.Invariant($"tail.{cluster}.1.weight"), output.Rows, output.Columns), bias: null, clusterRows: 0, tensorCores))
    {
        ShapeVisibility.Check<TProjection>(accelerator);
        ShapeVisibility.Check<TOutput>(accelerator);
    }
}
