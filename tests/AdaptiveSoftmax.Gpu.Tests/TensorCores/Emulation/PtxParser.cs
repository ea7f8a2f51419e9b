using System.Globalization;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>Reads the text of one kernel, as far as its instructions can be emulated.</summary>
internal sealed partial class PtxParser
{
    /// <summary>The address in shared memory of what a launch asks for.</summary>
    public const uint SharedBase = 1024;

    private readonly Dictionary<string, int> _registers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _labels = new(StringComparer.Ordinal);
    private readonly List<PtxInstruction> _instructions = [];

    private PtxParser()
    {
    }

    /// <summary>Reads a text.</summary>
    /// <exception cref="PtxException">The text has something unknown.</exception>
    public static PtxProgram Parse(string ptx)
    {
        var text = Comment.Replace(ptx, "");
        var entries = Entry.Matches(text);
        if (entries.Count != 1) throw new PtxException($"The text has {entries.Count} kernels; one is needed.");
        var entry = entries[0];
        var parameters = Parameter.Matches(entry.Groups[1].Value).Select(match => (match.Groups[2].Value, Number(match.Groups[1].Value) / 8)).ToArray();
        var open = text.IndexOf('{', entry.Index + entry.Length);
        var close = text.LastIndexOf('}');
        var parser = new PtxParser();
        foreach (var statement in text[(open + 1)..close].Split(';')) parser.Read(statement.Trim());
        return new(parameters, parser._registers.Count, parser._labels, [.. parser._instructions]);
    }

    private void Read(string statement)
    {
        while (Label.Match(statement) is { Success: true } label)
        {
            if (!_labels.TryAdd(label.Groups[1].Value, _instructions.Count)) throw new PtxException($"The label {label.Groups[1].Value} stands twice.");
            statement = statement[label.Length..].TrimStart();
        }

        if (statement.Length == 0) return;
        if (statement.StartsWith(".reg", StringComparison.Ordinal))
        {
            Declare(statement);
            return;
        }

        if (statement[0] is '.' or '{') throw new PtxException($"Unknown directive '{statement}'.");
        var match = Instruction.Match(statement);
        if (!match.Success) throw new PtxException($"Unknown statement '{statement}'.");
        var guard = match.Groups["guard"];
        _instructions.Add(new(
            statement, match.Groups["opcode"].Value, guard.Success ? Register(guard.Value) : -1, !match.Groups["not"].Success,
            [.. Split(match.Groups["operands"].Value).Select(Operand)]));
    }

    private void Declare(string statement)
    {
        foreach (var name in Declaration.Match(statement).Groups[1].Value.Split(','))
        {
            var range = Range.Match(name.Trim());
            if (!range.Success)
            {
                Add(name.Trim());
                continue;
            }

            for (var i = 0; i < Number(range.Groups[2].Value); i++) Add(range.Groups[1].Value + i.ToString(CultureInfo.InvariantCulture));
        }

        void Add(string name)
        {
            if (!_registers.TryAdd(name, _registers.Count)) throw new PtxException($"The register {name} is declared twice.");
        }
    }

    // Commas between braces or brackets do not part operands.
    private static IEnumerable<string> Split(string operands)
    {
        var (depth, start) = (0, 0);
        for (var i = 0; i < operands.Length; i++)
        {
            if (operands[i] is '{' or '[') depth++;
            if (operands[i] is '}' or ']') depth--;
            if (operands[i] != ',' || depth > 0) continue;
            yield return operands[start..i].Trim();
            start = i + 1;
        }

        if (operands.Trim().Length > 0) yield return operands[start..].Trim();
    }

    private PtxOperand Operand(string text)
    {
        if (text[0] == '{') return new(PtxOperandKind.Vector, Items: [.. Split(text[1..^1]).Select(Operand)]);
        if (text[0] == '[')
        {
            var match = Place.Match(text);
            if (!match.Success) throw new PtxException($"Unknown address '{text}'.");
            var distance = match.Groups[2].Success ? long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture) : 0;
            return new(PtxOperandKind.Address, Bits: (ulong)distance, Items: Operand(match.Groups[1].Value));
        }

        if (text.StartsWith("0f", StringComparison.Ordinal)) return Constant(uint.Parse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        if (text.StartsWith("0x", StringComparison.Ordinal)) return Constant(ulong.Parse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        if (char.IsAsciiDigit(text[0]) || text[0] == '-') return Constant((ulong)long.Parse(text, CultureInfo.InvariantCulture));
        if (text == "__dyn_shared_alloca") return Constant(SharedBase);
        if (_registers.TryGetValue(text, out var register)) return new(PtxOperandKind.Register, register);
        return new(text[0] == '%' ? PtxOperandKind.Special : PtxOperandKind.Name, Name: text);
    }

    private int Register(string name) =>
        _registers.TryGetValue(name, out var register) ? register : throw new PtxException($"The register {name} is not declared.");

    private static PtxOperand Constant(ulong bits) => new(PtxOperandKind.Constant, Bits: bits);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment { get; }

    [GeneratedRegex(@"\.visible\s+\.entry\s+[\w$]+\s*\(([^)]*)\)")]
    private static partial Regex Entry { get; }

    [GeneratedRegex(@"\.param\s+\.[bsu](\d+)\s+([\w$]+)")]
    private static partial Regex Parameter { get; }

    [GeneratedRegex(@"^([A-Za-z_$][\w$]*):")]
    private static partial Regex Label { get; }

    [GeneratedRegex(@"^(?:@(?<not>!)?(?<guard>[\w%$]+)\s+)?(?<opcode>[a-z][\w.:]*)(?:\s+(?<operands>.*))?$", RegexOptions.Singleline)]
    private static partial Regex Instruction { get; }

    [GeneratedRegex(@"^\.reg\s+\.\w+\s+(.*)$", RegexOptions.Singleline)]
    private static partial Regex Declaration { get; }

    [GeneratedRegex(@"^([^<]+)<(\d+)>$")]
    private static partial Regex Range { get; }

    [GeneratedRegex(@"^\[\s*([\w%$]+)\s*(?:\+\s*(-?\d+))?\s*\]$")]
    private static partial Regex Place { get; }
}
