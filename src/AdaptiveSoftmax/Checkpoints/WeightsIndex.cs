using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The JSON index of a model in several files: which file holds which tensor.</summary>
internal static class WeightsIndex
{
    private const string Member = "weight_map";
    private const string Remedy = "Copy or save it again, or open the file that holds the adaptive softmax.";

    /// <summary>Whether a file that begins so is JSON: a brace where safetensors would have a header longer than any.</summary>
    public static bool IsJson(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("\uFEFF"u8)) start = start[3..];
        var text = start.TrimStart(" \t\r\n"u8);
        return text.StartsWith("{"u8) && (start.Length < sizeof(ulong) || start[4..sizeof(ulong)].ContainsAnyExcept((byte)0));
    }

    /// <summary>Reads an index.</summary>
    /// <returns>The files by the tensors' names.</returns>
    /// <exception cref="WeightsFormatException">It is other JSON, or not valid.</exception>
    public static Dictionary<string, string> Read(WeightsBytes bytes)
    {
        if (bytes.Length > SafetensorsHeader.MaxLength)
            throw Fault($"It is JSON of {bytes.Length} bytes, more than the {SafetensorsHeader.MaxLength} that are read of an index.");
        try
        {
            Span<byte> mark = stackalloc byte[3];
            var hasMark = bytes.ReadAtLeast(mark, 0) == mark.Length && mark.SequenceEqual("\uFEFF"u8);
            var start = hasMark ? mark.Length : 0;
            var map = ReadMembers(new JsonBytes(bytes, start, bytes.Length - start))
                ?? throw Fault("It is JSON without the 'weight_map' of an index, so it holds no tensors.");
            return map.Count > 0 ? map : throw Fault("It is an index whose 'weight_map' names no file.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidDataException or EndOfStreamException or InvalidOperationException)
        {
            throw Fault($"It is no valid JSON: {Excerpt.Message(exception.Message)}", exception);
        }

        Dictionary<string, string>? ReadMembers(JsonBytes reader)
        {
            Dictionary<string, string>? map = null;
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isMap = reader.IsNoLongerThan(Member.Length) && reader.GetString() == Member;
                reader.Read();
                if (!isMap) reader.Skip();
                else if (map is null && reader.TokenType == JsonTokenType.StartObject) map = ReadMap(ref reader);
                else throw Fault($"Its '{Member}' is there twice, or is no object.");
            }

            while (reader.Read())
            {
            }

            return map;
        }

        Dictionary<string, string> ReadMap(ref JsonBytes reader)
        {
            var map = new Dictionary<string, string>();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString();
                reader.Read();
                if (reader.TokenType != JsonTokenType.String) throw Fault($"It names no file for the tensor '{Excerpt.Name(name)}'.");
                var file = reader.GetString();
                if (!IsBeside(file)) throw Fault($"It names the file '{Excerpt.Name(file)}' for the tensor '{Excerpt.Name(name)}', which is not beside it.");
                if (!map.TryAdd(name, file)) throw Fault($"It lists the tensor '{Excerpt.Name(name)}' twice.");
                if (map.Count > WeightsLimits.ModelTensors) throw Fault($"It lists more than the {WeightsLimits.ModelTensors} tensors that are read of one model.");
            }

            return map;
        }

        WeightsFormatException Fault(string problem, Exception? inner = null) => new(bytes.Name, null, problem, Remedy, inner);
    }

    // An index must not lead to files that are none of the model's.
    private static bool IsBeside(string file) =>
        file.Length > 0 && file is not ("." or "..") && !file.AsSpan().ContainsAny('/', '\\', '\0') && !Path.IsPathRooted(file);
}
