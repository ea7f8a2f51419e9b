using AdaptiveSoftmax.Gpu.Tests.Emulation;
using AdaptiveSoftmax.Gpu.Tests.Ptx;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Ptx;

/// <summary>The kernels of the library, which the emulator must know whole, and not only the part that a test reaches.</summary>
public sealed class KernelTests
{
    public static TheoryData<string> Kernels => new(KernelCases.All.Where(kernel => kernel.Value.Layout is "any" or "200,019 generated").Select(kernel => kernel.Key));

    [Theory]
    [MemberData(nameof(Kernels))]
    public void EveryInstruction_IsKnown(string name)
    {
        var kernel = KernelCases.All[name];
        var program = PtxParser.Parse(PtxCompiler.Compile(kernel.Method, kernel.GroupSize, CudaArchitecture.SM_90, kernel.GroupsAtOnce));
        Assert.Equal(kernel.GroupSize, program.MaximumThreads);
        Assert.NotEmpty(program.Operations);
    }
}
