using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>A training step's products of some clusters' weights [rows, columns] with the tokens that the plan gives them.</summary>
internal interface IDeviceProducts
{
    /// <summary>inputs · weightᵀ (+ bias), [tokens, rows].</summary>
    void Store(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> inputs, TrainingScratch scratch, ArrayView<float> outputs, ClusterArguments arguments);

    /// <summary>gradient · weight, [tokens, columns], set or added; of logits perhaps split, which <see cref="ClusterProducts.AddSplits"/> ends.</summary>
    void InputGradient(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> gradient, TrainingScratch scratch, ArrayView<float> inputGradient, ClusterArguments arguments);

    /// <summary>Adds gradientᵀ · inputs to the gradients of the weights, and the sum over the tokens to that of a bias; those that are frozen are left out.</summary>
    void WeightGradient(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> gradient, ArrayView<float> inputs, TrainingScratch scratch, ClusterArguments arguments);
}

/// <summary>The products by portable kernels, in float32, each one launch for all clusters.</summary>
internal sealed class PortableProducts : IDeviceProducts
{
    private PortableProducts()
    {
    }

    /// <summary>The one that there is.</summary>
    public static PortableProducts Instance { get; } = new();

    public void Store(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> inputs, TrainingScratch scratch, ArrayView<float> outputs, ClusterArguments arguments) =>
        clusters.Store(stream, inputs, scratch.Plan, outputs, arguments);

    public void InputGradient(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> gradient, TrainingScratch scratch, ArrayView<float> inputGradient, ClusterArguments arguments) =>
        clusters.InputGradient(stream, gradient, scratch, inputGradient, arguments);

    public void WeightGradient(AcceleratorStream stream, ClusterProducts clusters, ArrayView<float> gradient, ArrayView<float> inputs, TrainingScratch scratch, ClusterArguments arguments)
    {
        clusters.WeightGradient(stream, gradient, inputs, scratch.Plan, arguments);
        if (clusters.BiasLearns) clusters.BiasGradient(stream, gradient, scratch.Plan, arguments);
    }
}
