using AdaptiveSoftmax.Generators;
using AdaptiveSoftmax.Gpu.Tests.Ptx;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>What CUDA's assembler makes of the kernels at the tiles that are meant for use.</summary>
public sealed class AssemblyTests
{
    public static TheoryData<string, int, int> Kernels
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (var role in Enum.GetNames<TensorCoreRole>())
            {
                foreach (var tileColumns in new[] { 128, 256 })
                {
                    data.Add(role, 0, tileColumns);
                    data.Add(role, 1024, tileColumns);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Registers_AreNeverSpilled(string role, int inputSize, int tileColumns)
    {
        var kernel = CompiledKernel.Get(new(role, Enum.Parse<TensorCoreRole>(role), inputSize, TileColumns: tileColumns));
        foreach (var architecture in new[] { CudaArchitecture.SM_80, CudaArchitecture.SM_90 })
        {
            var report = Ptxas.Assemble(PtxCompiler.Compile(kernel.Method, kernel.Kernel.Threads, architecture), architecture);
            Assert.Equal((0, 0, 0), (report.StackBytes, report.SpillLoadBytes, report.SpillStoreBytes));
            Assert.InRange(report.Registers, 64, 255);
            Assert.Equal(0, report.SharedBytes);
            // A multiprocessor has 65,536 registers: two groups of the smaller tile share one.
            if (tileColumns == 128) Assert.InRange(report.Registers * kernel.Kernel.Threads, 1, 65536 / 2);
        }
    }

    [Fact]
    public void Products_AreWrittenOnce()
    {
        // A loop that the compiler unrolls would repeat them.
        var kernel = CompiledKernel.Get(new("Logits", TensorCoreRole.Logits, 128));
        Assert.Equal(64, kernel.Program.Instructions.Count(instruction => instruction.Opcode.StartsWith("mma.", StringComparison.Ordinal)));
    }
}
