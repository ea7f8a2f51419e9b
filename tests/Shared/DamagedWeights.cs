using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Testing;

/// <summary>Files of weights in safetensors, damaged where it says little and where it says much.</summary>
internal static class DamagedWeights
{
    /// <summary>Edits any bytes, or the header with its length mended, or JSON within the strings of the metadata.</summary>
    public static byte[] Of(Mutator mutator, byte[] sound)
    {
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(sound);
        var header = Encoding.UTF8.GetString(sound.AsSpan(sizeof(long), length));
        return mutator.Next(4) switch
        {
            0 => mutator.Bytes(sound),
            1 => Join(mutator.Bytes(sound.AsSpan(sizeof(long), length)), sound.AsSpan(sizeof(long) + length)),
            2 => Join(Encoding.UTF8.GetBytes(mutator.Json(header)), sound.AsSpan(sizeof(long) + length)),
            _ => Join(Encoding.UTF8.GetBytes(WithOtherStrings(mutator, header)), sound.AsSpan(sizeof(long) + length)),
        };
    }

    private static byte[] Join(byte[] header, ReadOnlySpan<byte> data) => [.. BitConverter.GetBytes((long)header.Length), .. header, .. data];

    private static string WithOtherStrings(Mutator mutator, string header)
    {
        var root = JsonNode.Parse(header)!.AsObject();
        if (root["__metadata__"] is not JsonObject { Count: > 0 } strings) return mutator.Json(header);
        var key = mutator.Any([.. strings.Select(pair => pair.Key)]);
        var value = (string)strings[key]!;
        strings[key] = value.StartsWith('{') || value.StartsWith('[') ? mutator.Json(value) : mutator.Text(value);
        return root.ToJsonString();
    }
}
