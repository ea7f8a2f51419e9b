using System.Text;
using System.Xml.Linq;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Turns documented members into text: a line that declares the member, then what is said about it.
/// <code>
/// method System.String.IndexOf(char value)
/// Reports the zero-based index of the first occurrence of the specified character.
/// value: A Unicode character to seek.
/// Returns: The zero-based index position of value, or -1.
/// </code>
/// One instance reads one file, since members name the type parameters of the types before them.
/// </summary>
internal sealed class MemberText
{
    /// <summary>The attributes that are read.</summary>
    public static IReadOnlyList<string> Attributes { get; } = ["name", "cref", "uid", "href", "langword"];

    private readonly Dictionary<string, string[]> _typeParameters = new(StringComparer.Ordinal);
    private readonly StringBuilder _document = new();
    private readonly ProseWriter _prose = new();

    /// <summary>The text of a <c>member</c> element; empty where it says nothing about the member.</summary>
    public string Write(XElement member)
    {
        if (member.Attribute("name")?.Value is not { Length: > 2 } id || id[1] != ':') return "";
        var typeParameters = member.Elements("typeparam").Select(Name).ToArray();
        if (id[0] == 'T') _typeParameters[id[2..]] = typeParameters;

        _document.Clear();
        foreach (var element in member.Elements()) WriteSection(element);
        if (_document.Length == 0) return "";

        var declaration = MemberId.Declare(id, typeParameters, [.. member.Elements("param").Select(Name)], _typeParameters);
        _document.Insert(0, '\n').Insert(0, declaration);
        return _document.ToString();
    }

    private void WriteSection(XElement element)
    {
        _prose.Clear();
        WriteNodes(element);
        if (_prose.IsEmpty) return;
        var label = element.Name.LocalName switch
        {
            "summary" or "inheritdoc" => "",
            "param" or "typeparam" => $"{Name(element)}: ",
            "returns" => "Returns: ",
            "value" => "Value: ",
            "exception" or "permission" => $"Throws {MemberId.Mention(Reference(element))}: ",
            "remarks" => "Remarks: ",
            "example" => "Example: ",
            _ => "",
        };
        _document.Append(label).Append(_prose).Append('\n');
    }

    private void WriteNodes(XElement parent)
    {
        var description = parent.Elements("description").LastOrDefault();
        foreach (var node in parent.Nodes())
        {
            if (node == description) description = null;
            if (node is XText text) _prose.Write(text.Value);
            else if (node is XElement element) WriteElement(element, isDescribed: description is not null);
        }
    }

    private void WriteElement(XElement element, bool isDescribed)
    {
        switch (element.Name.LocalName)
        {
            case "see" or "seealso" or "xref" when element.IsEmpty || element.Value.Length == 0:
                _prose.Write(element.Attribute("langword")?.Value ?? MemberId.Mention(Reference(element)));
                break;
            case "paramref" or "typeparamref":
                _prose.Write(Name(element));
                break;
            case "code":
                _prose.WriteLines(element.Value);
                break;
            case "br":
                _prose.BreakLine();
                break;
            case "item" or "li" or "listheader":
                _prose.BreakLine();
                _prose.Write("- ");
                WriteNodes(element);
                _prose.BreakLine();
                break;
            case "term" when isDescribed:
                WriteNodes(element);
                _prose.Write(": ");
                break;
            case "para" or "p" or "list" or "ul" or "ol" or "div":
                _prose.BreakLine();
                WriteNodes(element);
                _prose.BreakLine();
                break;
            default:
                WriteNodes(element);
                break;
        }
    }

    private static string Name(XElement element) => element.Attribute("name")?.Value ?? "";

    private static string Reference(XElement element) =>
        element.Attribute("cref")?.Value ?? element.Attribute("uid")?.Value ?? element.Attribute("href")?.Value ?? "";
}
