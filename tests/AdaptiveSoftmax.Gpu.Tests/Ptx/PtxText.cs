using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>What a PTX text holds.</summary>
/// <param name="Instructions">The number of instructions, predicated ones included, declarations not.</param>
/// <param name="WideLoads">Loads of 16 bytes from global memory.</param>
/// <param name="WideCopies">Asynchronous copies of 16 bytes from global to shared memory.</param>
internal sealed partial record PtxText(int Instructions, int WideLoads, int WideCopies)
{
    /// <summary>Reads a PTX text.</summary>
    public static PtxText Read(string ptx)
    {
        var instructions = Statements(ptx).Where(statement => char.IsAsciiLetter(statement[0]) || statement[0] == '@').ToArray();
        return new(instructions.Length, instructions.Count(WideLoad.IsMatch), instructions.Count(WideCopy.IsMatch));
    }

    // A statement ends with a semicolon and may go over several lines. What comes before it without one (the header of a
    // function, a brace, a label) stands on lines of its own or, as a brace, before it on its line.
    private static IEnumerable<string> Statements(string ptx)
    {
        foreach (var part in Comment.Replace(ptx, "").Split(';')[..^1])
        {
            var lines = part.Split('\n').Select(line => line.Trim()).ToArray();
            var first = Array.FindLastIndex(lines, line => line is "{" or "}" || line.EndsWith(':')) + 1;
            var statement = string.Join(' ', lines[first..]).TrimStart('{', '}', ' ', '\t');
            if (statement.Length > 0) yield return statement;
        }
    }

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment { get; }

    [GeneratedRegex(@"\bld\.global(\.[\w:]+)*\.(v4\.[busf]32|v2\.[busf]64)\b")]
    private static partial Regex WideLoad { get; }

    [GeneratedRegex(@"\bcp\.async\.\S*shared\S*\.global\S*\s.*,\s*16\b")]
    private static partial Regex WideCopy { get; }
}
