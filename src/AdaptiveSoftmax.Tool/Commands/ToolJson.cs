using System.Text.Encodings.Web;
using System.Text.Json;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>How commands write JSON: members in camel case, indented, line feeds, characters as they are.</summary>
internal static class ToolJson
{
    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Write(TextWriter writer, object value) => writer.Write(JsonSerializer.Serialize(value, s_options) + "\n");
}
