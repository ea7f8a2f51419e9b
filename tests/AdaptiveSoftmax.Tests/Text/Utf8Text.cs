using System.Buffers;
using System.Text;

namespace AdaptiveSoftmax.Tests;

/// <summary>The text of bytes, computed another way than by a decoder that keeps what is cut off.</summary>
internal static class Utf8Text
{
    /// <summary>The text of bytes. A character is cut off where a continuation byte would go on with it.</summary>
    internal static string WithoutCutCharacter(byte[] bytes)
    {
        for (var cut = 1; cut <= 3 && cut <= bytes.Length; cut++)
        {
            var rest = bytes.AsSpan(bytes.Length - cut);
            if (Rune.DecodeFromUtf8(rest, out _, out _) == OperationStatus.NeedMoreData) return Encoding.UTF8.GetString(bytes.AsSpan(0, bytes.Length - cut));
        }

        return Encoding.UTF8.GetString(bytes);
    }
}
