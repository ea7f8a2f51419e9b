using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>A tensor of int32 or int64 in a states file.</summary>
internal sealed class StatesIntegers(SafetensorsReader file, WeightsTensor tensor)
{
    public WeightsTensor Tensor => tensor;

    /// <summary>Reads values. What int32 cannot hold becomes −1, which is no id and no domain.</summary>
    /// <param name="first">The first value.</param>
    /// <param name="values">Takes them.</param>
    /// <param name="room">Memory for 8 bytes each.</param>
    public void Read(long first, Span<int> values, Span<byte> room)
    {
        if (tensor.Type == StatesTensors.Int32)
        {
            file.ReadBytes(tensor, first * sizeof(int), MemoryMarshal.AsBytes(values));
            return;
        }

        file.ReadBytes(tensor, first * sizeof(long), room);
        var wide = MemoryMarshal.Cast<byte, long>(room);
        for (var i = 0; i < values.Length; i++) values[i] = wide[i] is >= int.MinValue and <= int.MaxValue ? (int)wide[i] : -1;
    }
}
