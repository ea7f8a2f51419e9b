using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>The working memory of decoding one token; some kilobytes, there from the start.</summary>
internal sealed class VectorScratch : IDisposable
{
    private const string Purpose = "decoding one token";

    private readonly DeviceBuffers _buffers;

    public VectorScratch(Accelerator accelerator, SoftmaxLayout layout)
    {
        _buffers = new DeviceBuffers(accelerator);
        Partial = _buffers.Allocate<float>(3 * VectorKernels.MaximumStrips, Purpose);
        BestRow = _buffers.Allocate<int>(VectorKernels.MaximumStrips, Purpose);
        Clusters = _buffers.Allocate<float>(layout.TailCount, Purpose);
        Score = _buffers.Allocate<float>(1, Purpose);
        State = _buffers.AllocateZeros<int>(2, Purpose);
        Projected = _buffers.Allocate<float>(layout.Tails.Select(tail => tail.ProjectionWidth).DefaultIfEmpty(0).Max(), Purpose);
    }

    public ArrayView<float> Partial { get; }

    public ArrayView<int> BestRow { get; }

    public ArrayView<float> Clusters { get; }

    public ArrayView<float> Score { get; }

    public ArrayView<int> State { get; }

    public ArrayView<float> Projected { get; }

    public long Bytes => _buffers.Bytes;

    public void Dispose() => _buffers.Dispose();
}
