using System.Runtime.CompilerServices;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>What becomes of a kernel on a CUDA device, as far as that is known without one.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Assembled">What the assembler says.</param>
/// <param name="Text">What its PTX holds.</param>
internal sealed record KernelReport(KernelCase Kernel, AssembledKernel Assembled, PtxText Text)
{
    /// <summary>Compiles and assembles a kernel.</summary>
    public static KernelReport Create(KernelCase kernel, CudaArchitecture architecture)
    {
        var ptx = PtxCompiler.Compile(kernel.Method, kernel.GroupSize, architecture);
        return new(kernel, Ptxas.Assemble(ptx, architecture), PtxText.Read(ptx));
    }

    /// <summary>What a kernel must not do and does, one sentence each.</summary>
    public IEnumerable<string> Faults()
    {
        if (Assembled.Registers > Kernel.MaximumRegisters)
            yield return $"It takes {Assembled.Registers} registers, more than {Kernel.MaximumRegisters}.";
        if (Assembled.SpillStoreBytes + Assembled.SpillLoadBytes > 0)
            yield return $"It spills registers: {Assembled.SpillStoreBytes} bytes of stores, {Assembled.SpillLoadBytes} of loads.";
        if (Assembled.StackBytes > 0)
            yield return $"It has a stack frame of {Assembled.StackBytes} bytes: a local array or a spilled register.";
        if (Text.WideReadsInLoops < Kernel.WideReads)
            yield return $"It has {Text.WideReadsInLoops} reads of 16 bytes in loops; its matrices take {Kernel.WideReads}.";
    }
}

/// <summary>The folder of this project's repository.</summary>
internal static class Repository
{
    /// <summary>A file of the repository.</summary>
    /// <param name="parts">Its path from the root.</param>
    public static string File(params string[] parts) => Path.Combine([Root(), .. parts]);

    private static string Root([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", ".."));
}
