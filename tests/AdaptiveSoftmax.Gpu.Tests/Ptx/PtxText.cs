using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>What a PTX text holds.</summary>
/// <param name="Instructions">The number of instructions, predicated ones included, declarations not.</param>
/// <param name="WideLoads">
/// Loads of 16 bytes of floating-point values from global memory; integers are tables, not matrices, but where a kernel's weights are words.
/// </param>
/// <param name="WideCopies">Asynchronous copies of 16 bytes from global to shared memory.</param>
/// <param name="WideReadsInLoops">Those of both that stand in a loop, where a matrix is read, and not just once a thread.</param>
internal sealed partial record PtxText(int Instructions, int WideLoads, int WideCopies, int WideReadsInLoops)
{
    /// <summary>Reads a PTX text.</summary>
    /// <param name="ptx">The text.</param>
    /// <param name="readsWords">Whether loads of four words are those of a matrix as well.</param>
    public static PtxText Read(string ptx, bool readsWords = false)
    {
        var load = readsWords ? WideWordLoad : WideLoad;
        var instructions = new List<string>();
        var labels = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var statement in Statements(ptx))
        {
            if (statement.EndsWith(':')) labels[statement[..^1]] = instructions.Count;
            else if (char.IsAsciiLetter(statement[0]) || statement[0] == '@') instructions.Add(statement);
        }

        // What lies between a label and a branch back to it is a loop.
        var looped = new bool[instructions.Count];
        for (var i = 0; i < looped.Length; i++)
        {
            if (Branch.Match(instructions[i]) is { Success: true } branch && labels.TryGetValue(branch.Groups[1].Value, out var label) && label <= i)
                Array.Fill(looped, true, label, i - label + 1);
        }

        return new(
            instructions.Count, instructions.Count(load.IsMatch), instructions.Count(WideCopy.IsMatch),
            instructions.Where((text, i) => looped[i] && (load.IsMatch(text) || WideCopy.IsMatch(text))).Count());
    }

    // A statement ends with a semicolon and may go over several lines. Labels, and what else comes before it without one
    // (the header of a function, a brace), stand on lines of their own or, as a brace, before it on its line.
    private static IEnumerable<string> Statements(string ptx)
    {
        foreach (var part in Comment.Replace(ptx, "").Split(';')[..^1])
        {
            var lines = part.Split('\n').Select(line => line.Trim()).ToArray();
            foreach (var label in lines.Where(line => line.EndsWith(':'))) yield return label;
            var first = Array.FindLastIndex(lines, line => line is "{" or "}" || line.EndsWith(':')) + 1;
            var statement = string.Join(' ', lines[first..]).TrimStart('{', '}', ' ', '\t');
            if (statement.Length > 0) yield return statement;
        }
    }

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment { get; }

    [GeneratedRegex(@"\bld\.global(\.[\w:]+)*\.(v4\.f32|v2\.f64)\b")]
    private static partial Regex WideLoad { get; }

    [GeneratedRegex(@"\bld\.global(\.[\w:]+)*\.(v4\.[fb]32|v2\.f64)\b")]
    private static partial Regex WideWordLoad { get; }

    [GeneratedRegex(@"\bcp\.async\.\S*shared\S*\.global\S*\s.*,\s*16\b")]
    private static partial Regex WideCopy { get; }

    [GeneratedRegex(@"\bbra(?:\.uni)?\s+([^\s,]+)$")]
    private static partial Regex Branch { get; }
}
