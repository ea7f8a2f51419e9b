using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The products of some tails, each as one launch for all of them.</summary>
/// <param name="Projections">The products with the projections.</param>
/// <param name="Outputs">The products with the outputs.</param>
internal sealed record TailProducts(ClusterProducts Projections, ClusterProducts Outputs);

/// <summary>The products of a layer's head and tails.</summary>
internal sealed class LayerProducts
{
    /// <summary>Describes the products.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="layout">The sizes.</param>
    /// <param name="head">The head.</param>
    /// <param name="tails">The tails in slot order.</param>
    /// <param name="tables">The sizes on the device.</param>
    public LayerProducts(Accelerator accelerator, SoftmaxLayout layout, GpuHead head, GpuTail[] tails, DeviceTables tables)
    {
        var hidden = Sizes.Stride(layout.HiddenSize);
        Head = new ClusterProducts(accelerator, [head.Linear], 0, tables.Outputs, hidden, outputPitch: 0);

        // Tails of one launch share memory for projected vectors; each alone has its own to itself.
        var widest = layout.Tails.Select(tail => Sizes.Stride(tail.ProjectionWidth)).DefaultIfEmpty(0).Max();
        Groups = [.. tails.Chunk(ViewGroup<int>.Capacity).Select((group, i) => Create(group, i * ViewGroup<int>.Capacity, widest))];
        Tails = [.. tails.Select((tail, i) => Create([tail], i, tail.Output.Stride))];

        TailProducts Create(GpuTail[] group, int firstTail, int pitch) => new(
            new ClusterProducts(accelerator, [.. group.Select(tail => tail.ProjectionLinear)], firstTail + 1, tables.Projections, hidden, pitch),
            new ClusterProducts(accelerator, [.. group.Select(tail => tail.OutputLinear)], firstTail + 1, tables.Outputs, pitch, outputPitch: 0));
    }

    /// <summary>The head's.</summary>
    public ClusterProducts Head { get; }

    /// <summary>The tails', as many in a launch as it takes.</summary>
    public TailProducts[] Groups { get; }

    /// <summary>The tails', one in a launch.</summary>
    public TailProducts[] Tails { get; }
}
