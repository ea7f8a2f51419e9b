using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What the device must know of the vocabulary: ids of slots, slots of ids, and the sizes of each part.</summary>
internal sealed class DeviceTables : IDisposable
{
    private readonly DeviceBuffers _buffers;

    public DeviceTables(Accelerator accelerator, SoftmaxLayout layout, Func<int, int> getTokenId)
    {
        var ids = new int[layout.VocabularySize];
        var slots = new int[ids.Length];
        for (var slot = 0; slot < ids.Length; slot++) (ids[slot], slots[slot]) = (getTokenId(slot), slot);
        var sorted = (int[])ids.Clone();
        Array.Sort(sorted, slots);
        PartSizes[] parts =
        [
            new() { Start = 0, Rows = layout.HeadRows, Columns = layout.HiddenSize },
            .. layout.Tails.Select(tail => new PartSizes { Start = tail.Start, Rows = tail.Size, Columns = tail.ProjectionWidth }),
        ];
        _buffers = new DeviceBuffers(accelerator);
        Ids = _buffers.Upload(ids, "token ids");
        SortedIds = _buffers.Upload(sorted, "sorted token ids");
        SlotsOfIds = _buffers.Upload(slots, "slots of token ids");
        Parts = _buffers.Upload(parts, "the sizes of clusters");
        GroupSizes = _buffers.Upload(layout.Tails.Select(tail => (float)tail.Size).ToArray(), "the sizes of clusters");
        FirstUnknown = _buffers.Allocate<int>(1, "the first unknown target");
        Loss = _buffers.Allocate<float>(1, "the loss");
    }

    public ArrayView<int> Ids { get; }

    public ArrayView<int> SortedIds { get; }

    public ArrayView<int> SlotsOfIds { get; }

    public ArrayView<PartSizes> Parts { get; }

    public ArrayView<float> GroupSizes { get; }

    public ArrayView<int> FirstUnknown { get; }

    public ArrayView<float> Loss { get; }

    public long Bytes => _buffers.Bytes;

    public void Dispose() => _buffers.Dispose();
}
