using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What the device must know of the vocabulary: ids of slots, slots of ids, and the sizes of each cluster.</summary>
internal sealed class DeviceTables : IDisposable
{
    private readonly DeviceBuffers _buffers;

    public DeviceTables(Accelerator accelerator, SoftmaxLayout layout, GpuHead head, GpuTail[] tails, Func<int, int> getTokenId)
    {
        var ids = new int[layout.VocabularySize];
        var slots = new int[ids.Length];
        for (var slot = 0; slot < ids.Length; slot++) (ids[slot], slots[slot]) = (getTokenId(slot), slot);
        var sorted = (int[])ids.Clone();
        Array.Sort(sorted, slots);
        ClusterSizes[] outputs = [Describe(head.Linear, 0), .. tails.Select((tail, i) => Describe(tail.OutputLinear, layout.Tails[i].Start))];
        ClusterSizes[] projections = [default, .. tails.Select((tail, i) => Describe(tail.ProjectionLinear, layout.Tails[i].Start))];
        _buffers = new DeviceBuffers(accelerator);
        Ids = _buffers.Upload(ids, "token ids");
        SortedIds = _buffers.Upload(sorted, "sorted token ids");
        SlotsOfIds = _buffers.Upload(slots, "slots of token ids");
        Outputs = _buffers.Upload(outputs, "the sizes of clusters");
        Projections = _buffers.Upload(projections, "the sizes of projections");
        GroupSizes = _buffers.Upload(layout.Tails.Select(tail => (float)tail.Size).ToArray(), "the sizes of clusters");
        FirstUnknown = _buffers.Allocate<int>(1, "the first unknown target");
        Loss = _buffers.Allocate<float>(1, "the loss");
    }

    public ArrayView<int> Ids { get; }

    public ArrayView<int> SortedIds { get; }

    public ArrayView<int> SlotsOfIds { get; }

    /// <summary>The outputs of head and tails.</summary>
    public ArrayView<ClusterSizes> Outputs { get; }

    /// <summary>The projections of tails, at their clusters' places; the head has none.</summary>
    public ArrayView<ClusterSizes> Projections { get; }

    public ArrayView<float> GroupSizes { get; }

    public ArrayView<int> FirstUnknown { get; }

    public ArrayView<float> Loss { get; }

    public long Bytes => _buffers.Bytes;

    public void Dispose() => _buffers.Dispose();

    private static ClusterSizes Describe(GpuLinear linear, int start) => new()
    {
        Start = start,
        Rows = linear.Rows,
        Columns = linear.Columns,
        TokenRows = linear.TokenRows,
    };
}
