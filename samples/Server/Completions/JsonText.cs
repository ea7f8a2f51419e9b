using System.Text.Json;

namespace ServerSample;

/// <summary>Strings of a request.</summary>
internal static class JsonText
{
    /// <summary>Reads a string. Half of a surrogate pair, which no text has, is refused.</summary>
    public static string Read(JsonElement value, string name)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw ApiException.Invalid($"'{name}' has half of a surrogate pair, which is no character.", name);
        }
    }
}
