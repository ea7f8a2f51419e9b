namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Lines of a text, whichever way they end.</summary>
internal static class Lines
{
    /// <summary>Where the line ends that holds a position: at its line feed or carriage return, or at the end of the text.</summary>
    public static int EndOf(string text, int position)
    {
        var length = text.AsSpan(position).IndexOfAny('\n', '\r');
        return length < 0 ? text.Length : position + length;
    }

    /// <summary>Where the next line starts, behind a line end at the position, if there is one. A carriage return and a line feed are one.</summary>
    public static int Behind(string text, int position)
    {
        if (position < text.Length && text[position] == '\r') position++;
        if (position < text.Length && text[position] == '\n') position++;
        return position;
    }
}
