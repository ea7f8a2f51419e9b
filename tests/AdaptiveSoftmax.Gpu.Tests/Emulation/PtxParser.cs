using System.Globalization;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>Reads the text of one kernel, as far as its instructions can be emulated.</summary>
internal sealed partial class PtxParser
{
    /// <summary>The address in shared memory where a group's own begins.</summary>
    public const uint SharedBase = 1024;

    private const string DynamicShared = "__dyn_shared_alloca";

    private readonly RegisterLayout _registers = new();
    private readonly Dictionary<string, int> _labels = new(StringComparer.Ordinal);
    private readonly Dictionary<string, uint> _shared = new(StringComparer.Ordinal);
    private readonly List<PtxInstruction> _instructions = [];
    private int _sharedBytes;

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
        var open = text.IndexOf('{', entry.Index + entry.Length);
        var close = text.LastIndexOf('}');
        var bound = MaximumThreads.Match(text, entry.Index + entry.Length, open - entry.Index - entry.Length);
        var statements = text[(open + 1)..close].Split(';', StringSplitOptions.TrimEntries);
        var parser = new PtxParser();
        // Static shared memory lies before what the launch asks for, whose address must be known first.
        foreach (var statement in statements) parser.DeclareShared(statement);
        parser._shared.Add(DynamicShared, SharedBase + (uint)Align(parser._sharedBytes, 16));
        foreach (var statement in statements) parser.Read(statement);
        var operations = PtxOperations.Create(parser._instructions, parser._labels, parser._registers, Parameters(entry.Groups["parameters"].Value, out var parameters));
        return new(
            entry.Groups["name"].Value, parameters, parser._registers, [.. parser._instructions], operations, parser._sharedBytes,
            bound.Success ? Number(bound.Groups[1].Value) : 1024, parser._instructions.Exists(instruction => instruction.Opcode.StartsWith("mma.", StringComparison.Ordinal)));
    }

    private static Dictionary<string, PtxParameter> Parameters(string text, out PtxParameter[] parameters)
    {
        var result = new List<PtxParameter>();
        var end = 0;
        foreach (Match match in Parameter.Matches(text))
        {
            var size = Number(match.Groups["bits"].Value) / 8;
            var alignment = match.Groups["align"] is { Success: true, Value: var given } ? Number(given) : size;
            if (match.Groups["count"] is { Success: true, Value: var count }) size *= Number(count);
            var offset = Align(end, alignment);
            result.Add(new(match.Groups["name"].Value, offset, size));
            end = offset + size;
        }

        if (result.Count != text.Count(character => character == ',') + (text.Trim().Length > 0 ? 1 : 0)) throw new PtxException($"Unknown parameters '{text}'.");
        parameters = [.. result];
        return result.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
    }

    private void DeclareShared(string statement)
    {
        var match = Shared.Match(statement);
        if (!match.Success) return;
        var start = Align(_sharedBytes, Number(match.Groups[1].Value));
        _shared.Add(match.Groups[2].Value, SharedBase + (uint)start);
        _sharedBytes = start + Number(match.Groups[3].Value);
    }

    private void Read(string statement)
    {
        while (Label.Match(statement) is { Success: true } label)
        {
            if (!_labels.TryAdd(label.Groups[1].Value, _instructions.Count)) throw new PtxException($"The label {label.Groups[1].Value} stands twice.");
            statement = statement[label.Length..].TrimStart();
        }

        if (statement.Length == 0 || Shared.IsMatch(statement)) return;
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
            statement, match.Groups["opcode"].Value, guard.Success ? Register(guard.Value) : null, !match.Groups["not"].Success,
            [.. Split(match.Groups["operands"].Value).Select(Operand)]));
    }

    private void Declare(string statement)
    {
        var match = Declaration.Match(statement);
        var type = match.Groups[1].Value;
        foreach (var name in match.Groups[2].Value.Split(',', StringSplitOptions.TrimEntries))
        {
            var range = Range.Match(name);
            if (!range.Success)
            {
                _registers.Declare(name, type);
                continue;
            }

            for (var i = 0; i < Number(range.Groups[2].Value); i++) _registers.Declare(range.Groups[1].Value + i.ToString(CultureInfo.InvariantCulture), type);
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
        if (_shared.TryGetValue(text, out var shared)) return Constant(shared);
        return _registers.Find(text) is { } register ? new(PtxOperandKind.Register, register) : new(PtxOperandKind.Name, Name: text);
    }

    private PtxRegister Register(string name) => _registers.Find(name) ?? throw new PtxException($"The register {name} is not declared.");

    private static PtxOperand Constant(ulong bits) => new(PtxOperandKind.Constant, Bits: bits);

    private static int Align(int offset, int alignment) => (offset + alignment - 1) / alignment * alignment;

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment { get; }

    [GeneratedRegex(@"\.visible\s+\.entry\s+(?<name>[\w$]+)\s*\((?<parameters>[^)]*)\)")]
    private static partial Regex Entry { get; }

    [GeneratedRegex(@"\.param\s+(?:\.align\s+(?<align>\d+)\s+)?\.[bsuf](?<bits>\d+)\s+(?<name>[\w$]+)(?:\[(?<count>\d+)\])?")]
    private static partial Regex Parameter { get; }

    [GeneratedRegex(@"\.maxntid\s+(\d+)")]
    private static partial Regex MaximumThreads { get; }

    [GeneratedRegex(@"^\.shared\s+\.align\s+(\d+)\s+\.b8\s+([\w$]+)\[(\d+)\]$")]
    private static partial Regex Shared { get; }

    [GeneratedRegex(@"^([A-Za-z_$][\w$]*):")]
    private static partial Regex Label { get; }

    [GeneratedRegex(@"^(?:@(?<not>!)?(?<guard>[\w%$]+)\s+)?(?<opcode>[a-z][\w.:]*)(?:\s+(?<operands>.*))?$", RegexOptions.Singleline)]
    private static partial Regex Instruction { get; }

    [GeneratedRegex(@"^\.reg\s+\.(\w+)\s+(.*)$", RegexOptions.Singleline)]
    private static partial Regex Declaration { get; }

    [GeneratedRegex(@"^([^<]+)<(\d+)>$")]
    private static partial Regex Range { get; }

    [GeneratedRegex(@"^\[\s*([\w%$]+)\s*(?:\+\s*(-?\d+))?\s*\]$")]
    private static partial Regex Place { get; }
}
