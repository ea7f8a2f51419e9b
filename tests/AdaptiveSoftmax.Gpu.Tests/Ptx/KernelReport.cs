using System.Runtime.CompilerServices;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>What becomes of a kernel on a CUDA device, as far as that is known without one.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Assembled">What the assembler says.</param>
/// <param name="Text">What its PTX holds.</param>
/// <param name="Code">The loop of its products, where the kernel has one and it was looked at.</param>
internal sealed record KernelReport(KernelCase Kernel, AssembledKernel Assembled, PtxText Text, MachineCode? Code = null)
{
    /// <summary>Compiles and assembles a kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="architecture">The device's architecture.</param>
    /// <param name="readCode">Whether to read the instructions of products, which takes half a second.</param>
    public static KernelReport Create(KernelCase kernel, CudaArchitecture architecture, bool readCode = false) =>
        Create(kernel, PtxCompiler.Compile(kernel.Method, kernel.GroupSize, architecture, kernel.GroupsAtOnce), architecture, readCode);

    /// <summary>Assembles the text of a kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="ptx">Its text.</param>
    /// <param name="architecture">The device's architecture.</param>
    /// <param name="readCode">Whether to read the instructions of products, which takes half a second.</param>
    public static KernelReport Create(KernelCase kernel, string ptx, CudaArchitecture architecture, bool readCode = false)
    {
        var (assembled, code) = readCode && kernel.LeastProductShare > 0 ? Ptxas.AssembleAndRead(ptx, architecture) : (Ptxas.Assemble(ptx, architecture), null);
        return new(kernel, assembled, PtxText.Read(ptx, kernel.ReadsWords), code);
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
        if (Code?.Share < Kernel.LeastProductShare)
            yield return $"Of the {Code.Instructions} instructions of its product's loop only {Code.Products} multiply, less than {Kernel.LeastProductShare:P0}.";
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
