using System.Globalization;

namespace AdaptiveSoftmax.Generators;

/// <summary>Collects instructions of PTX, CUDA's assembly, for one statement that emits them as they stand.</summary>
internal sealed class PtxText
{
    private readonly List<string> _lines = [];

    /// <summary>Adds an instruction, without its semicolon.</summary>
    public void Add(FormattableString instruction) => _lines.Add(instruction.ToString(CultureInfo.InvariantCulture) + ";");

    /// <summary>Writes the statement; <c>%0</c> and so on in the instructions stand for the arguments.</summary>
    public void WriteTo(SourceWriter writer, params string[] arguments)
    {
        if (_lines.Count == 0) return;
        writer.WriteLines("global::ILGPU.Runtime.Cuda.CudaAsm.Emit(\"\"\"");
        foreach (var line in _lines) writer.WriteLines("    " + line);
        writer.WriteLines("    \"\"\"" + string.Concat(arguments.Select(argument => ", " + argument)) + ");");
    }

    /// <summary>A vector operand of two registers.</summary>
    public static string Pair(string first, string second) => $"{{{first}, {second}}}";

    /// <summary>Names of consecutive registers, as a vector operand has them.</summary>
    public static string Vector(string prefix, int first, int count) =>
        "{" + string.Join(", ", Enumerable.Range(first, count).Select(index => prefix + index.ToString(CultureInfo.InvariantCulture))) + "}";
}
