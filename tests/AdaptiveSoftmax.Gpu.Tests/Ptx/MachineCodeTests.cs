using System.Reflection;
using AdaptiveSoftmax.Gpu.Kernels;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

public sealed class MachineCodeTests
{
    [Fact]
    public void InnermostLoopWithTheMostProducts_IsCounted()
    {
        var code = MachineCode.Read("""
            .text.Kernel:
                    /*0000*/                   MOV R1, c[0x0][0x28] ;
            .L_x_0:
                    /*0010*/                   FFMA R2, R3, R4, R2 ;
                    /*0020*/                   LDS.128 R8, [R7+0x210] ;
            .L_x_1:
                    /*0030*/              @!P0 FFMA R2, R3, R4, R2 ;
                    /*0040*/                   FFMA.FTZ R2, R3, R4, R2 ;
                    /*0050*/                   LDS.128 R8, [R7] ;
                    /*0060*/               @P1 BRA `(.L_x_2) ;
                    /*0070*/               @P0 BRA `(.L_x_1) ;
            .L_x_2:
                    /*0080*/                   FFMA R2, R3, R4, R2 ;
                    /*0090*/                   BRA.U `(.L_x_0) ;
            .L_x_3:
                    /*00a0*/                   HMMA.16816.F32.BF16 R4, R8, R12, R4 ;
                    /*00b0*/               @P0 BRA `(.L_x_3) ;
                    /*00c0*/                   EXIT ;
            """);
        Assert.Equal(new MachineCode(Instructions: 5, Products: 2), code);
    }

    [Fact]
    public void KernelWithoutProducts_HasNoLoopOfThem() => Assert.Null(Read(typeof(SmallKernels).GetMethod(nameof(SmallKernels.LocalArray))!, SmallKernels.GroupSize));

    [Fact]
    public void LargeTile_MultipliesEightByEightTimesAtEachOfEightDepths()
    {
        var kernel = typeof(ForwardKernels).GetMethod(nameof(ForwardKernels.Store))!.MakeGenericMethod(typeof(Tile128), typeof(Float4));
        Assert.Equal(8 * 8 * 8, Read(kernel, TileProduct.GroupSize)!.Products);
    }

    private static MachineCode? Read(MethodInfo kernel, int groupSize) =>
        Ptxas.AssembleAndRead(PtxCompiler.Compile(kernel, groupSize, CudaArchitecture.SM_90), CudaArchitecture.SM_90).Code;
}
