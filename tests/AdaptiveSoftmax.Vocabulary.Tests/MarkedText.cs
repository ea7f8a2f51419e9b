using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests;

/// <summary>A text in which <c>⟦</c> and <c>⟧</c> stand around each place where an error is expected.</summary>
internal sealed class MarkedText
{
    private MarkedText(string text, SourceSpan[] spans) => (Text, Spans) = (text, spans);

    /// <summary>The text without the marks.</summary>
    public string Text { get; }

    /// <summary>The marked places, which lie within one line each.</summary>
    public SourceSpan[] Spans { get; }

    public static MarkedText Parse(string marked)
    {
        var text = new StringBuilder();
        var spans = new List<SourceSpan>();
        var lines = marked.Split('\n');
        for (var line = 0; line < lines.Length; line++)
        {
            var lineStart = text.Length;
            var open = 0;
            foreach (var c in lines[line])
            {
                if (c == '⟦') open = text.Length;
                else if (c == '⟧') spans.Add(new SourceSpan(open, text.Length - open, line + 1, open - lineStart + 1));
                else text.Append(c);
            }

            if (line + 1 < lines.Length) text.Append('\n');
        }

        return new MarkedText(text.ToString(), [.. spans]);
    }
}
