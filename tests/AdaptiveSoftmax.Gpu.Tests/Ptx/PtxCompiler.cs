using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>Compiles kernels to PTX, the text that a CUDA device is given, where there is no such device.</summary>
internal static class PtxCompiler
{
    /// <summary>Compiles one kernel with the settings that the library's contexts have.</summary>
    /// <param name="kernel">An explicitly grouped kernel.</param>
    /// <param name="groupSize">The threads of a group.</param>
    /// <param name="architecture">The device's architecture.</param>
    /// <param name="groupsAtOnce">How many groups a multiprocessor is to run at once, which bounds the registers as well.</param>
    /// <returns>
    /// The PTX text as a device of that architecture is given it. Its target is sm_80 at most, since ILGPU names no later
    /// one: the driver, and ptxas likewise, translates it for the device and refuses what sm_80 does not have.
    /// </returns>
    /// <exception cref="InvalidOperationException">ILGPU cannot compile it.</exception>
    public static string Compile(MethodInfo kernel, int groupSize, CudaArchitecture architecture, int? groupsAtOnce = null)
    {
        // A kernel that fails to compile leaves its context unusable, so each has its own.
        using var context = Context.Create(builder => GpuContext.Configure(builder));
        // PTX 7.8 is the newest that the ptxas of eng/ptxas.sh reads.
        using var backend = new PTXBackend(
            context, new CudaCapabilityContext(architecture), architecture, CudaInstructionSet.ISA_78, nvvmAPI: null);
        try
        {
            var compiled = (PTXCompiledKernel)backend.Compile(
                EntryPointDescription.FromExplicitlyGroupedKernel(kernel), new KernelSpecialization(groupSize, groupsAtOnce));
            return compiled.PTXAssembly;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new InvalidOperationException(
                $"ILGPU cannot compile {kernel.DeclaringType}.{kernel.Name}: {exception.GetBaseException().Message}", exception);
        }
    }

    /// <summary>The name of an architecture in PTX and for ptxas, for example <c>sm_90</c>.</summary>
    public static string Name(CudaArchitecture architecture) => $"sm_{architecture.Major}{architecture.Minor}";
}
