using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>A tensor of a checkpoint, whose values are rounded to its type as they are written.</summary>
internal sealed record CheckpointTensor(string Name, string Type, long[] Shape, float[] Values)
{
    /// <summary>The values as the file holds them.</summary>
    public double[] Stored => [.. Values.Select(value => Type switch
    {
        "BF16" => BitConverter.UInt32BitsToSingle((uint)UpperHalf(value) << 16),
        "F16" => (double)(Half)value,
        _ => value,
    })];

    public byte[] Bytes => Type switch
    {
        "BF16" => MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(Values, UpperHalf)).ToArray(),
        "F16" => MemoryMarshal.AsBytes<Half>(Array.ConvertAll(Values, value => (Half)value)).ToArray(),
        "F64" => MemoryMarshal.AsBytes<double>(Array.ConvertAll(Values, value => (double)value)).ToArray(),
        _ => MemoryMarshal.AsBytes<float>(Values).ToArray(),
    };

    // Cut instead of rounded: what matters is that it is not touched again.
    private static ushort UpperHalf(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
}

/// <summary>Checkpoints as Hugging Face's libraries lay them out, put together by hand.</summary>
internal static class HuggingFaceFiles
{
    /// <summary>Writes one file for each list of tensors, and the index that joins them; its total size is that of all values.</summary>
    public static void Write(Func<string, string> path, params CheckpointTensor[][] shards)
    {
        var map = new List<string>();
        for (var i = 0; i < shards.Length; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:d5}-of-{shards.Length:d5}.safetensors");
            map.AddRange(shards[i].Select(tensor => $"    \"{tensor.Name}\": \"{name}\""));
            WriteFile(path(name), shards[i]);
        }

        var total = shards.SelectMany(shard => shard).Sum(tensor => tensor.Bytes.LongLength);
        File.WriteAllText(path("model.safetensors.index.json"), $"{{\n  \"metadata\": {{\n    \"total_size\": {total}\n  }},\n  \"weight_map\": {{\n{string.Join(",\n", map)}\n  }}\n}}\n");
    }

    /// <summary>Writes one file.</summary>
    public static void WriteFile(string path, params CheckpointTensor[] tensors)
    {
        var header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        var at = 0L;
        foreach (var tensor in tensors)
        {
            var end = at + tensor.Bytes.Length;
            header.Append(CultureInfo.InvariantCulture, $",\"{tensor.Name}\":{{\"dtype\":\"{tensor.Type}\",\"shape\":[{string.Join(",", tensor.Shape)}],\"data_offsets\":[{at},{end}]}}");
            at = end;
        }

        header.Append('}');
        File.WriteAllBytes(path, SafetensorsBytes.Create(header.ToString().PadRight((header.Length + 7) / 8 * 8), [.. tensors.SelectMany(tensor => tensor.Bytes)]));
    }
}
