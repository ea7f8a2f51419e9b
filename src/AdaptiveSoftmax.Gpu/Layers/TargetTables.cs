using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What the device must know of the vocabulary to train: the slots of token ids; and what it says of a batch's targets.</summary>
internal sealed class TargetTables : IDisposable
{
    private readonly DeviceBuffers _buffers;

    public TargetTables(Accelerator accelerator, int vocabulary, Func<int, int> getTokenId)
    {
        var slots = new int[vocabulary];
        var sorted = new int[vocabulary];
        for (var slot = 0; slot < vocabulary; slot++) (sorted[slot], slots[slot]) = (getTokenId(slot), slot);
        Array.Sort(sorted, slots);
        _buffers = new DeviceBuffers(accelerator);
        SortedIds = _buffers.Upload(sorted, "sorted token ids");
        SlotsOfIds = _buffers.Upload(slots, "slots of token ids");
        FirstUnknown = _buffers.Allocate<int>(1, "the first unknown target");
        Loss = _buffers.Allocate<float>(1, "the loss");
    }

    public ArrayView<int> SortedIds { get; }

    public ArrayView<int> SlotsOfIds { get; }

    public ArrayView<int> FirstUnknown { get; }

    public ArrayView<float> Loss { get; }

    public long Bytes => _buffers.Bytes;

    public void Dispose() => _buffers.Dispose();
}
