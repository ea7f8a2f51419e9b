using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>What a file holds of a tensor.</summary>
internal static class TensorData
{
    public static byte[] Bytes(SafetensorsReader file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor));
        var own = (SafetensorsTensor)tensor;
        var bytes = new byte[own.End - own.Start];
        file.ReadBytes(tensor, 0, bytes);
        return bytes;
    }

    public static float[] Floats(SafetensorsReader file, string name) => MemoryMarshal.Cast<byte, float>(Bytes(file, name)).ToArray();
}
