namespace AdaptiveSoftmax.Vocabulary;

/// <summary>UTF-16 that stands for no text.</summary>
internal static class Surrogates
{
    /// <summary>The first half of a surrogate pair without its other half, or −1.</summary>
    public static int IndexOfLone(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsHighSurrogate(text[i]) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1])) return i;
            i++;
        }

        return -1;
    }
}
