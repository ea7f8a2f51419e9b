using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace ServerSample;

/// <summary>How a single token is written where log-probs are listed.</summary>
internal static class TokenText
{
    /// <summary>The token's text; <c>bytes:\xe4\xbd</c>, as OpenAI writes it, where the bytes are no whole characters.</summary>
    public static string Of(ReadOnlySpan<byte> token)
    {
        if (Utf8.IsValid(token)) return Encoding.UTF8.GetString(token);
        var text = new StringBuilder("bytes:");
        foreach (var value in token) text.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}");
        return text.ToString();
    }
}
