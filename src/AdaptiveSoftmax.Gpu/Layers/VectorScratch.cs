using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of decoding one token; some kilobytes, there from the start.</summary>
internal sealed class VectorScratch : IDisposable
{
    private const string Purpose = "decoding one token";

    private readonly MemoryBuffer1D<float, Stride1D.Dense> _partial;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _bestRow;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _clusters;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _score;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _state;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _projected;
    private readonly int _clusterCount;

    public VectorScratch(Accelerator accelerator, SoftmaxLayout layout)
    {
        _clusterCount = layout.ClusterCount;
        _partial = DeviceMemory.Allocate<float>(accelerator, 3 * VectorKernels.MaximumStrips, Purpose);
        _bestRow = DeviceMemory.Allocate<int>(accelerator, VectorKernels.MaximumStrips, Purpose);
        _clusters = DeviceMemory.Allocate<float>(accelerator, _clusterCount, Purpose);
        _score = DeviceMemory.Allocate<float>(accelerator, 1, Purpose);
        _state = DeviceMemory.AllocateZeros<int>(accelerator, 2, Purpose);
        _projected = DeviceMemory.Allocate<float>(accelerator, layout.Tails.Select(tail => tail.ProjectionWidth).DefaultIfEmpty(0).Max(), Purpose);
    }

    public ArrayView<float> Partial => _partial.View;

    public ArrayView<int> BestRow => _bestRow.View;

    // At least one long for a layout without tails: kernels take no empty views.
    public ArrayView<float> Clusters => _clusters.View.SubView(0, Math.Max(1, _clusterCount));

    public ArrayView<float> Score => _score.View;

    public ArrayView<int> State => _state.View;

    public ArrayView<float> Projected => _projected.View;

    public void Dispose()
    {
        _partial.Dispose();
        _bestRow.Dispose();
        _clusters.Dispose();
        _score.Dispose();
        _state.Dispose();
        _projected.Dispose();
    }
}
