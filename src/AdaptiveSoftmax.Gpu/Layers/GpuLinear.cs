using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;

namespace AdaptiveSoftmax.Gpu;

/// <summary>One weight of a layer that is trained. Training's launches are those of <see cref="ClusterProducts"/>.</summary>
internal sealed class GpuLinear
{
    private readonly ParameterRows _rows;

    private GpuLinear(ParameterRows rows, DecodeLinear decoding) => (_rows, Decoding) = (rows, decoding);

    public GpuParameter Weight => _rows.Weight;

    public GpuParameter? Bias => _rows.Bias;

    /// <summary>The launches of its products in decoding.</summary>
    public DecodeLinear Decoding { get; }

    /// <summary>The generated kernels for tensor cores, where there are any.</summary>
    public TensorCoreMethods? TensorCores { get; init; }

    public int Rows => Weight.Rows;

    public int Columns => Weight.Columns;

    public ArrayView<float> Biases => _rows.Biases;

    /// <summary>Describes a weight whose sizes are those of <typeparamref name="TShape"/>.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="weight">The weight, [rows, columns].</param>
    /// <param name="bias">[rows], if there is one.</param>
    /// <param name="clusterRows">The rows that stand for clusters.</param>
    /// <param name="tensorCores">The generated kernels for tensor cores, where there are any.</param>
    public static GpuLinear Create<TShape>(TShape shape, GpuParameter weight, GpuParameter? bias, int clusterRows, TensorCoreMethods? tensorCores = null)
        where TShape : unmanaged, IMatrixShape
    {
        var rows = new ParameterRows(weight, bias);
        return new GpuLinear(rows, new DecodeLinear<TShape, Float4>(weight.Accelerator, shape, clusterRows, bias is not null, rows)) { TensorCores = tensorCores };
    }

    private sealed record ParameterRows(GpuParameter Weight, GpuParameter? Bias) : IWeightRows<Float4>
    {
        public ArrayView<Float4> Blocks => Weight.Values.Cast<Float4>();

        public ArrayView<float> Biases => Bias is null ? Weight.Values.SubView(0, 1) : Bias.Values;
    }
}
