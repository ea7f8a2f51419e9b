using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>What the assembler makes of a kernel; functions that it calls are counted in.</summary>
/// <param name="Registers">The registers of a thread.</param>
/// <param name="SharedBytes">Static shared memory of a group, in bytes; what a launch asks for comes on top.</param>
/// <param name="StackBytes">Local memory of a thread for arrays and spilled registers, in bytes.</param>
/// <param name="SpillStoreBytes">Bytes of registers that are put into local memory.</param>
/// <param name="SpillLoadBytes">Bytes of registers that are read back from there.</param>
internal sealed record AssembledKernel(int Registers, int SharedBytes, int StackBytes, int SpillStoreBytes, int SpillLoadBytes);

/// <summary>CUDA's assembler and disassembler, which need no device. <c>eng/ptxas.sh</c> puts them where they are looked for here.</summary>
internal static partial class Ptxas
{
    private static readonly Lazy<string> s_version = new(() => ReadVersion(DefaultTool));

    /// <summary>The assembler's version, for example 11.8.89.</summary>
    public static string Version => s_version.Value;

    private static string DefaultTool => Repository.File("artifacts", "tools", "ptxas");

    private static string Disassembler => Repository.File("artifacts", "tools", "nvdisasm");

    /// <summary>Assembles a PTX text of one kernel.</summary>
    /// <param name="ptx">The text.</param>
    /// <param name="architecture">The device's architecture.</param>
    /// <param name="tool">The assembler.</param>
    /// <exception cref="InvalidOperationException">The assembler is missing, or it refuses the text.</exception>
    public static AssembledKernel Assemble(string ptx, CudaArchitecture architecture, string? tool = null) =>
        WithCode(ptx, architecture, tool, (output, _) => Parse(output));

    /// <summary>Assembles a PTX text of one kernel and reads the instructions that come of it.</summary>
    /// <param name="ptx">The text.</param>
    /// <param name="architecture">The device's architecture.</param>
    /// <exception cref="InvalidOperationException">A tool is missing, or the assembler refuses the text.</exception>
    public static (AssembledKernel Assembled, MachineCode? Code) AssembleAndRead(string ptx, CudaArchitecture architecture) =>
        WithCode(ptx, architecture, tool: null, (output, code) => (Parse(output), MachineCode.Read(Run(Disassembler, "-c", code))));

    private static TResult WithCode<TResult>(string ptx, CudaArchitecture architecture, string? tool, Func<string, string, TResult> read)
    {
        var folder = Directory.CreateTempSubdirectory("ptxas-");
        try
        {
            var file = Path.Combine(folder.FullName, "kernel.ptx");
            File.WriteAllText(file, ptx);
            var code = Path.ChangeExtension(file, "cubin");
            return read(Run(tool ?? DefaultTool, "-v", $"-arch={PtxCompiler.Name(architecture)}", "-o", code, file), code);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Reads what <c>ptxas -v</c> says of one kernel.</summary>
    internal static AssembledKernel Parse(string output)
    {
        var used = Registers.Matches(output);
        var frames = Frame.Matches(output);
        if (used.Count == 0 || frames.Count == 0)
            throw new InvalidOperationException($"ptxas told no registers or no stack frame:\n{output}");
        return new(
            used.Max(match => Number(match, 1)), Shared.Matches(output).Sum(match => Number(match, 1)),
            frames.Sum(match => Number(match, 1)), frames.Sum(match => Number(match, 2)), frames.Sum(match => Number(match, 3)));
    }

    private static string ReadVersion(string tool)
    {
        var output = Run(tool, "--version");
        var match = ReleaseVersion.Match(output);
        return match.Success ? match.Groups[1].Value
            : throw new InvalidOperationException($"ptxas told no version:\n{output}");
    }

    private static string Run(string tool, params string[] arguments)
    {
        if (!File.Exists(tool)) throw new InvalidOperationException($"There is no {tool}: run `bash eng/ptxas.sh`.");
        using var process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        // Read beside each other, so that neither pipe fills up while the other is waited for.
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
        process.WaitForExit();
        return process.ExitCode == 0 ? output
            : throw new InvalidOperationException($"{Path.GetFileName(tool)} ended with status {process.ExitCode}:\n{output}");
    }

    private static int Number(Match match, int group) => int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Registers { get; }

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex Shared { get; }

    [GeneratedRegex(@"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")]
    private static partial Regex Frame { get; }

    [GeneratedRegex(@"\bV(\d+(\.\d+)+)")]
    private static partial Regex ReleaseVersion { get; }
}
