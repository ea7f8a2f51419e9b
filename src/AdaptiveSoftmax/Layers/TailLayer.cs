namespace AdaptiveSoftmax;

/// <summary>One tail cluster: a projection to a narrower width, and a linear layer over the cluster's tokens.</summary>
public abstract class TailLayer : IDisposable
{
    private protected TailLayer(Parameter projection, Parameter output)
    {
        Projection = projection;
        Output = output;
    }

    /// <summary><c>tail.{i}.0.weight</c>, [width, hidden].</summary>
    public Parameter Projection { get; }

    /// <summary><c>tail.{i}.1.weight</c>, [tokens of the cluster, width].</summary>
    public Parameter Output { get; }

    /// <summary>What computes with the weights.</summary>
    internal abstract ITrainingCluster Cluster { get; }

    /// <summary>Releases the weights.</summary>
    public void Dispose()
    {
        Projection.Dispose();
        Output.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>A tail whose sizes are those of its type arguments; generated tails derive from it.</summary>
/// <typeparam name="TProjection">[width, hidden].</typeparam>
/// <typeparam name="TOutput">[tokens of the cluster, width].</typeparam>
public class TailLayer<TProjection, TOutput> : TailLayer
    where TProjection : unmanaged, IMatrixShape
    where TOutput : unmanaged, IMatrixShape
{
    /// <summary>Creates a tail of zeros.</summary>
    /// <param name="cluster">The cluster's number, from 0, in its parameters' names.</param>
    /// <param name="projection">[width, hidden].</param>
    /// <param name="output">[tokens of the cluster, width].</param>
    /// <exception cref="ArgumentException">The projection does not give what the output takes.</exception>
    public TailLayer(int cluster, TProjection projection, TOutput output)
        : this(
            projection,
            output,
            new Parameter(FormattableString.Invariant($"tail.{cluster}.0.weight"), projection.Rows, projection.Columns),
            new Parameter(FormattableString.Invariant($"tail.{cluster}.1.weight"), output.Rows, output.Columns))
    {
    }

    /// <summary>A tail with given weights.</summary>
    internal TailLayer(TProjection projection, TOutput output, Parameter projectionWeight, Parameter outputWeight)
        : base(projectionWeight, outputWeight)
    {
        if (projection.Rows != output.Columns)
            throw new ArgumentException(FormattableString.Invariant($"The projection '{projectionWeight.Name}' gives {projection.Rows} values and its output takes {output.Columns}; they must agree."), nameof(output));
        Cluster = new ProjectedSoftmax<TProjection>(projection, Projection, new LinearSoftmax<TOutput>(output, Output, bias: null));
    }

    internal override ITrainingCluster Cluster { get; }
}
