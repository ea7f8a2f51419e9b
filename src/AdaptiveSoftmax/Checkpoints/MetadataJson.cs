using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>JSON objects inside the strings of a file's metadata.</summary>
internal static class MetadataJson
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one object on one line.</summary>
    public static string Write(Action<Utf8JsonWriter> writeMembers) => Encoding.UTF8.GetString(WriteBytes(writeMembers));

    /// <summary>Writes an object of strings, in UTF-8.</summary>
    public static ReadOnlySpan<byte> WriteStrings(IReadOnlyDictionary<string, string> strings) => WriteBytes(json =>
    {
        foreach (var (key, value) in strings) json.WriteString(key, value);
    });

    /// <summary>Reads what <see cref="WriteStrings"/> wrote.</summary>
    /// <exception cref="Exception">It is something else: a <see cref="IsFault">fault</see>.</exception>
    public static Dictionary<string, string> ReadStrings(byte[] utf8)
    {
        using var document = JsonDocument.Parse(utf8);
        return document.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetString() ?? "");
    }

    private static ReadOnlySpan<byte> WriteBytes(Action<Utf8JsonWriter> writeMembers)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_options))
        {
            json.WriteStartObject();
            writeMembers(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan;
    }

    /// <summary>Whether an exception says that a JSON document lacks a member or has one of another kind.</summary>
    public static bool IsFault(Exception exception) =>
        exception is JsonException or KeyNotFoundException or FormatException or OverflowException or ArgumentException
        or (InvalidOperationException and not CheckpointMismatchException);

    /// <summary>Says which string of the metadata is at fault.</summary>
    public static WeightsFormatException Fault(WeightsFile file, string key, Exception exception) =>
        file.CreateFault(null, $"Its metadata '{key}' is not what Save writes: {Excerpt.Message(exception.Message)}", "The file is damaged or was edited; take another copy or an earlier checkpoint.", exception);
}
