using System.Globalization;
using System.Net;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>Elements of a page, as text.</summary>
internal sealed class Markup
{
    private readonly StringBuilder _text = new();

    /// <summary>Text of any kind as it can stand in a page: nothing in it is an element, or reaches beyond its place.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(Excerpt.Message(text));

    /// <summary>A coordinate.</summary>
    public static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>Adds lines as they are.</summary>
    public Markup Raw(string markup)
    {
        _text.Append(markup).Append('\n');
        return this;
    }

    /// <summary>Adds a line whose values are escaped, or coordinates.</summary>
    public Markup Line(FormattableString markup)
    {
        var values = markup.GetArguments().Select(value => value switch
        {
            double number => Number(number),
            Verbatim verbatim => verbatim.Text,
            IFormattable other => Escape(other.ToString(null, CultureInfo.InvariantCulture)),
            _ => Escape(value?.ToString() ?? ""),
        });
        return Raw(string.Format(CultureInfo.InvariantCulture, markup.Format, [.. values]));
    }

    public override string ToString() => _text.ToString();
}

/// <summary>Markup among values.</summary>
/// <param name="Text">The markup.</param>
internal sealed record Verbatim(string Text);
