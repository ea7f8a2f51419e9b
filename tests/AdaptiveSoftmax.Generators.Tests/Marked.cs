using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>A text in which <c>⟦</c> and <c>⟧</c> may stand around the place where a diagnostic is expected.</summary>
internal sealed record Marked(string Text, TextSpan? Span)
{
    public static Marked Parse(string marked)
    {
        var start = marked.IndexOf('⟦', StringComparison.Ordinal);
        if (start < 0) return new Marked(marked, null);
        var end = marked.IndexOf('⟧', StringComparison.Ordinal);
        return new Marked(marked.Remove(end, 1).Remove(start, 1), TextSpan.FromBounds(start, end - 1));
    }
}
