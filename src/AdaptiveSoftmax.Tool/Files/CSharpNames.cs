using System.Text;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Names of classes and namespaces, as a compiler takes them.</summary>
internal static class CSharpNames
{
    private static readonly HashSet<string> s_keywords =
    [
        "abstract", "as", "base", "bool", "break", "byte", "case", "catch", "char", "checked", "class", "const", "continue", "decimal", "default", "delegate", "do", "double",
        "else", "enum", "event", "explicit", "extern", "false", "finally", "fixed", "float", "for", "foreach", "goto", "if", "implicit", "in", "int", "interface", "internal",
        "is", "lock", "long", "namespace", "new", "null", "object", "operator", "out", "override", "params", "private", "protected", "public", "readonly", "ref", "return",
        "sbyte", "sealed", "short", "sizeof", "stackalloc", "static", "string", "struct", "switch", "this", "throw", "true", "try", "typeof", "uint", "ulong", "unchecked",
        "unsafe", "ushort", "using", "virtual", "void", "volatile", "while", "__arglist", "__makeref", "__reftype", "__refvalue",
    ];

    // Keywords in some places, and refused as the name of a type.
    private static readonly HashSet<string> s_noTypes = ["extension", "file", "record", "required", "scoped"];

    /// <summary>Whether a text of ASCII is the form of an identifier.</summary>
    public static bool IsIdentifier(string name) => name.Length > 0 && (char.IsAsciiLetter(name[0]) || name[0] == '_') && name.All(character => char.IsAsciiLetterOrDigit(character) || character == '_');

    /// <summary>Whether an identifier is a word of the language, so that no class may be called so.</summary>
    public static bool IsKeywordForType(string name) => s_keywords.Contains(name) || s_noTypes.Contains(name);

    /// <summary>Whether the compiler warns of a class with this name, since later versions of the language may have such a word.</summary>
    public static bool MayBecomeKeyword(string name) => name.All(char.IsAsciiLetterLower);

    /// <summary>A namespace as <c>dotnet new</c> makes it of a name: what no identifier may have becomes a line below, and keywords have an <c>@</c>.</summary>
    /// <returns>The namespace; empty where nothing is left of the name.</returns>
    public static string ToNamespace(string name) => string.Join('.', name.Split('.', StringSplitOptions.RemoveEmptyEntries).Select(part =>
    {
        if (s_keywords.Contains(part)) return "@" + part;
        var text = new StringBuilder();
        foreach (var character in part) text.Append(char.IsLetterOrDigit(character) || character == '_' ? character : '_');
        if (char.IsDigit(text[0])) text.Insert(0, '_');
        return text.ToString();
    }));
}
