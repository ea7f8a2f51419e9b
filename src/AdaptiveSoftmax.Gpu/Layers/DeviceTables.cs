using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>What the device must know of the vocabulary: ids of slots, slots of ids, and the sizes of each part.</summary>
internal sealed class DeviceTables : IDisposable
{
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _ids;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _sortedIds;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _slotsOfIds;
    private readonly MemoryBuffer1D<PartSizes, Stride1D.Dense> _parts;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _groupSizes;
    private readonly MemoryBuffer1D<int, Stride1D.Dense> _firstUnknown;
    private readonly MemoryBuffer1D<float, Stride1D.Dense> _loss;

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
        _ids = Upload(accelerator, ids, "token ids");
        _sortedIds = Upload(accelerator, sorted, "sorted token ids");
        _slotsOfIds = Upload(accelerator, slots, "slots of token ids");
        _parts = Upload(accelerator, parts, "the sizes of clusters");
        _groupSizes = Upload(accelerator, layout.Tails.Select(tail => (float)tail.Size).ToArray(), "the sizes of clusters");
        _firstUnknown = DeviceMemory.Allocate<int>(accelerator, 1, "the first unknown target");
        _loss = DeviceMemory.Allocate<float>(accelerator, 1, "the loss");
    }

    public ArrayView<int> Ids => _ids.View;

    public ArrayView<int> SortedIds => _sortedIds.View;

    public ArrayView<int> SlotsOfIds => _slotsOfIds.View;

    public ArrayView<PartSizes> Parts => _parts.View;

    public ArrayView<float> GroupSizes => _groupSizes.View;

    public ArrayView<int> FirstUnknown => _firstUnknown.View;

    public ArrayView<float> Loss => _loss.View;

    public long Bytes => _ids.LengthInBytes + _sortedIds.LengthInBytes + _slotsOfIds.LengthInBytes + _parts.LengthInBytes + _groupSizes.LengthInBytes;

    public void Dispose()
    {
        _ids.Dispose();
        _sortedIds.Dispose();
        _slotsOfIds.Dispose();
        _parts.Dispose();
        _groupSizes.Dispose();
        _firstUnknown.Dispose();
        _loss.Dispose();
    }

    private static MemoryBuffer1D<T, Stride1D.Dense> Upload<T>(Accelerator accelerator, T[] values, string purpose)
        where T : unmanaged
    {
        var buffer = DeviceMemory.Allocate<T>(accelerator, values.Length, purpose);
        if (values.Length > 0) buffer.View.SubView(0, values.Length).CopyFromCPU(values);
        return buffer;
    }
}
