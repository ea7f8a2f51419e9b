using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Reads the ids that compilers give to documented members, such as
/// <c>M:System.Linq.Enumerable.Where``1(System.Collections.Generic.IEnumerable{``0},System.Func{``0,System.Boolean})</c>.
/// </summary>
internal static class MemberId
{
    private const string ConstructorName = "#ctor";
    private const string StaticConstructorName = "#cctor";

    private static readonly Dictionary<string, string> Keywords = new(StringComparer.Ordinal)
    {
        ["System.Boolean"] = "bool",
        ["System.Byte"] = "byte",
        ["System.SByte"] = "sbyte",
        ["System.Char"] = "char",
        ["System.Decimal"] = "decimal",
        ["System.Double"] = "double",
        ["System.Single"] = "float",
        ["System.Int16"] = "short",
        ["System.Int32"] = "int",
        ["System.Int64"] = "long",
        ["System.UInt16"] = "ushort",
        ["System.UInt32"] = "uint",
        ["System.UInt64"] = "ulong",
        ["System.IntPtr"] = "nint",
        ["System.UIntPtr"] = "nuint",
        ["System.Object"] = "object",
        ["System.String"] = "string",
        ["System.Void"] = "void",
    };

    /// <summary>A line that declares the member, with the names of its parameters where they are known.</summary>
    /// <param name="id">The member's id, with its kind and a colon in front.</param>
    /// <param name="typeParameters">The names of the member's own type parameters.</param>
    /// <param name="parameters">The names of its parameters.</param>
    /// <param name="types">The names of type parameters by the id of their type, without its kind.</param>
    public static string Declare(string id, string[] typeParameters, string[] parameters, IReadOnlyDictionary<string, string[]> types)
    {
        var kind = id[0];
        var (path, arguments) = SplitArguments(id[2..]);
        var typeId = kind is 'T' or 'N' ? path : Parent(path);
        var ofType = kind == 'T' ? typeParameters : types.GetValueOrDefault(typeId, []);
        var ofMethod = kind == 'M' ? typeParameters : [];

        var text = new StringBuilder();
        if (kind is 'T' or 'N')
        {
            text.Append(kind == 'T' ? "type " : "namespace ");
            AppendPath(text, path, ofType);
            return text.ToString();
        }

        var name = typeId.Length == 0 ? path : path[(typeId.Length + 1)..];
        var isConstructor = name is ConstructorName or StaticConstructorName;
        text.Append(kind switch
        {
            'M' => isConstructor ? "constructor " : "method ",
            'P' => "property ",
            'F' => "field ",
            'E' => "event ",
            _ => "member ",
        });
        AppendPath(text, typeId, ofType);
        if (!isConstructor)
        {
            if (typeId.Length > 0) text.Append('.');
            AppendPath(text, name.Replace('#', '.').Replace('@', ','), ofMethod);
        }

        if (kind == 'M' || arguments.Count > 0)
            AppendArguments(text, arguments, parameters, kind == 'P' ? "[]" : "()", ofType, ofMethod);
        return text.ToString();
    }

    /// <summary>How running text names a member: a type by its name alone, any other member with its type's name.</summary>
    /// <param name="id">The member's id; other text, such as an address, is returned as it is.</param>
    public static string Mention(string id)
    {
        if (id.Length < 3 || id[1] != ':') return id;
        var path = SplitArguments(id[2..]).Path;
        if (id[0] == 'N') return path;
        var text = new StringBuilder();
        var last = LastPart(path);
        if (id[0] is 'T' or '!')
        {
            AppendPath(text, last, null);
            return text.ToString();
        }

        AppendPath(text, LastPart(Parent(path)), null);
        if (last == ConstructorName) return text.Append(" constructor").ToString();
        if (text.Length > 0) text.Append('.');
        AppendPath(text, LastPart(last.Replace('#', '.')), null);
        return text.ToString();
    }

    private static void AppendArguments(StringBuilder text, List<string> arguments, string[] names, string brackets, string[] ofType, string[] ofMethod)
    {
        text.Append(brackets[0]);
        for (var i = 0; i < arguments.Count; i++)
        {
            if (i > 0) text.Append(", ");
            AppendType(text, arguments[i], ofType, ofMethod);
            if (names.Length == arguments.Count && names[i].Length > 0) text.Append(' ').Append(names[i]);
        }

        text.Append(brackets[1]);
    }

    /// <summary>Appends a dotted path whose parts may carry an arity, such as <c>List`1.Enumerator</c>.</summary>
    private static void AppendPath(StringBuilder text, string path, string[]? typeParameters)
    {
        var next = 0;
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] != '`')
            {
                text.Append(path[i] switch { '{' => '<', '}' => '>', var other => other });
                continue;
            }

            while (i + 1 < path.Length && path[i + 1] == '`') i++;
            var arity = ReadNumber(path, ref i);
            if (typeParameters is null) continue;
            text.Append('<');
            for (var j = 0; j < arity; j++)
            {
                if (j > 0) text.Append(", ");
                text.Append(ParameterName(typeParameters, next++, arity));
            }

            text.Append('>');
        }
    }

    /// <summary>Appends a parameter's type by its short name, with C#'s keywords.</summary>
    private static void AppendType(StringBuilder text, string type, string[] ofType, string[] ofMethod)
    {
        if (type.EndsWith('@'))
        {
            text.Append("ref ");
            AppendType(text, type[..^1], ofType, ofMethod);
            return;
        }

        if (type.EndsWith('*'))
        {
            AppendType(text, type[..^1], ofType, ofMethod);
            text.Append('*');
            return;
        }

        if (type.EndsWith(']') && type.LastIndexOf('[') is > 0 and var bracket)
        {
            AppendType(text, type[..bracket], ofType, ofMethod);
            text.Append('[').Append(',', type.AsSpan(bracket).Count(',')).Append(']');
            return;
        }

        if (type.StartsWith('`'))
        {
            var names = type.StartsWith("``", StringComparison.Ordinal) ? ofMethod : ofType;
            var index = int.TryParse(type.AsSpan().TrimStart('`'), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
            text.Append(ParameterName(names, index, Math.Max(names.Length, index + 1)));
            return;
        }

        var open = type.IndexOf('{', StringComparison.Ordinal);
        if (open < 0 || !type.EndsWith('}'))
        {
            if (Keywords.TryGetValue(type, out var keyword)) text.Append(keyword);
            else AppendPath(text, LastPart(type), null);
            return;
        }

        var arguments = SplitAtCommas(type[(open + 1)..^1]);
        var generic = type[..open];
        if (generic == "System.Nullable" && arguments.Count == 1)
        {
            AppendType(text, arguments[0], ofType, ofMethod);
            text.Append('?');
            return;
        }

        text.Append(LastPart(generic)).Append('<');
        for (var i = 0; i < arguments.Count; i++)
        {
            if (i > 0) text.Append(", ");
            AppendType(text, arguments[i], ofType, ofMethod);
        }

        text.Append('>');
    }

    private static string ParameterName(string[] names, int index, int arity) =>
        index < names.Length && names[index].Length > 0 ? names[index]
        : arity == 1 ? "T"
        : string.Create(CultureInfo.InvariantCulture, $"T{index + 1}");

    private static (string Path, List<string> Arguments) SplitArguments(string id)
    {
        // A conversion operator's result stands behind a tilde; the declaration does without it.
        var end = id.IndexOf('~', StringComparison.Ordinal);
        if (end >= 0) id = id[..end];
        var open = id.IndexOf('(', StringComparison.Ordinal);
        if (open < 0) return (id, []);
        var close = id.LastIndexOf(')');
        return (id[..open], close > open + 1 ? SplitAtCommas(id[(open + 1)..close]) : []);
    }

    /// <summary>Splits at the commas that stand in no bracket.</summary>
    private static List<string> SplitAtCommas(string text)
    {
        var parts = new List<string>();
        var depth = 0;
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '{' or '[' or '(') depth++;
            else if (text[i] is '}' or ']' or ')') depth--;
            else if (text[i] == ',' && depth == 0)
            {
                parts.Add(text[start..i]);
                start = i + 1;
            }
        }

        parts.Add(text[start..]);
        return parts;
    }

    private static string Parent(string path)
    {
        var dot = LastDot(path);
        return dot < 0 ? "" : path[..dot];
    }

    private static string LastPart(string path) => path[(LastDot(path) + 1)..];

    /// <summary>The last dot outside the braces of an explicit implementation's interface.</summary>
    private static int LastDot(string path)
    {
        var depth = 0;
        for (var i = path.Length - 1; i >= 0; i--)
        {
            if (path[i] == '}') depth++;
            else if (path[i] == '{') depth--;
            else if (path[i] == '.' && depth == 0) return i;
        }

        return -1;
    }

    private static int ReadNumber(string text, ref int i)
    {
        var number = 0;
        while (i + 1 < text.Length && char.IsAsciiDigit(text[i + 1])) number = Math.Min((number * 10) + (text[++i] - '0'), 1000);
        return number;
    }
}
