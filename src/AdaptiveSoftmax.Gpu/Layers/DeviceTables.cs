using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What the device must know of the vocabulary to decode: ids of slots, and the sizes of each cluster.</summary>
internal sealed class DeviceTables : IDisposable
{
    private readonly DeviceBuffers _buffers;

    public DeviceTables(Accelerator accelerator, SoftmaxLayout layout, DecodeLinears linears, Func<int, int> getTokenId)
    {
        var ids = new int[layout.VocabularySize];
        for (var slot = 0; slot < ids.Length; slot++) ids[slot] = getTokenId(slot);
        ClusterSizes[] outputs = [linears.Head.Describe(0), .. linears.Tails.Select((tail, i) => tail.Output.Describe(layout.Tails[i].Start))];
        ClusterSizes[] projections = [default, .. linears.Tails.Select((tail, i) => tail.Projection.Describe(layout.Tails[i].Start))];
        _buffers = new DeviceBuffers(accelerator);
        Ids = _buffers.Upload(ids, "token ids");
        Outputs = _buffers.Upload(outputs, "the sizes of clusters");
        Projections = _buffers.Upload(projections, "the sizes of projections");
        GroupSizes = _buffers.Upload(layout.Tails.Select(tail => (float)tail.Size).ToArray(), "the sizes of clusters");
    }

    public ArrayView<int> Ids { get; }

    /// <summary>The outputs of head and tails.</summary>
    public ArrayView<ClusterSizes> Outputs { get; }

    /// <summary>The projections of tails, at their clusters' places; the head has none.</summary>
    public ArrayView<ClusterSizes> Projections { get; }

    public ArrayView<float> GroupSizes { get; }

    public long Bytes => _buffers.Bytes;

    public void Dispose() => _buffers.Dispose();
}
