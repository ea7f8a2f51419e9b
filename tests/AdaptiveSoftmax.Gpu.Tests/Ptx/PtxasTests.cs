using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>Kernels with a known fault must be found out, or the checks of the others prove nothing.</summary>
public sealed partial class PtxasTests
{
    private static CudaArchitecture Newest => CudaArchitecture.SM_90;

    [Fact]
    public void LocalArray_IsReportedAsAStackFrame()
    {
        var report = Report(nameof(SmallKernels.LocalArray));
        Assert.Equal(8 * sizeof(float), report.Assembled.StackBytes);
        Assert.Contains("stack frame of 32 bytes", Assert.Single(report.Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public void ScalarLoads_AreNotReportedAsWide()
    {
        var report = Report(nameof(SmallKernels.ScalarDot), wideReads: 1);
        Assert.Equal((0, 0, 0), (report.Text.WideLoads, report.Text.WideCopies, report.Text.WideReadsInLoops));
        Assert.Contains("0 reads of 16 bytes", Assert.Single(report.Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public void WideLoads_AreCounted()
    {
        var report = Report(nameof(SmallKernels.WideDot), wideReads: 1);
        Assert.Equal((2, 2, 0), (report.Text.WideLoads, report.Text.WideReadsInLoops, report.Assembled.StackBytes));
        Assert.Empty(report.Faults());
    }

    [Fact]
    public void WideLoadOutsideOfLoops_DoesNotStreamWeights()
    {
        var report = Report(nameof(SmallKernels.WideOnce), wideReads: 1);
        Assert.Equal((1, 0), (report.Text.WideLoads, report.Text.WideReadsInLoops));
        Assert.Contains("0 reads of 16 bytes in loops", Assert.Single(report.Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public void SharedMemory_IsReportedInBytes()
    {
        Assert.Equal(SmallKernels.GroupSize * sizeof(float), Report(nameof(SmallKernels.SharedSum)).Assembled.SharedBytes);
        Assert.Equal(0, Report(nameof(SmallKernels.ScalarDot)).Assembled.SharedBytes);
    }

    [Fact]
    public void TooManyRegisters_AreAFault()
    {
        var report = Report(nameof(SmallKernels.WideDot));
        var strict = report with { Kernel = report.Kernel with { MaximumRegisters = report.Assembled.Registers - 1 } };
        var exact = report with { Kernel = report.Kernel with { MaximumRegisters = report.Assembled.Registers } };
        Assert.Contains($"{report.Assembled.Registers} registers", Assert.Single(strict.Faults()), StringComparison.Ordinal);
        Assert.Empty(exact.Faults());
    }

    [Fact]
    public void MoreLiveValuesThanRegisters_AreReportedAsSpills()
    {
        // 64 values are loaded before the first is stored, and a thread may have 32 registers.
        var spilling = Ptxas.Assemble(Volatile(values: 64, registers: 32), Newest);
        Assert.InRange(spilling.Registers, 16, 32);
        Assert.True(spilling.SpillStoreBytes >= 32 * sizeof(float), spilling.ToString());
        Assert.True(spilling.SpillLoadBytes >= 32 * sizeof(float), spilling.ToString());
        Assert.True(spilling.StackBytes >= 32 * sizeof(float), spilling.ToString());
        var roomy = Ptxas.Assemble(Volatile(values: 64, registers: 128), Newest);
        Assert.InRange(roomy.Registers, 64, 128);
        Assert.Equal((0, 0, 0), (roomy.StackBytes, roomy.SpillStoreBytes, roomy.SpillLoadBytes));
    }

    [Fact]
    public void FunctionsThatAKernelCalls_CountWithIt()
    {
        var report = Ptxas.Parse("""
            ptxas info    : 0 bytes gmem
            ptxas info    : Compiling entry function 'Kernel_Decode' for 'sm_90'
            ptxas info    : Function properties for Kernel_Decode
                16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
            ptxas info    : Used 40 registers, 16384 bytes smem, 400 bytes cmem[0]
            ptxas info    : Function properties for Fn_Exp
                64 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads
            """);
        Assert.Equal(new AssembledKernel(40, 16384, 80, 8, 16), report);
    }

    [Fact]
    public void Text_BoundsTheGroupAndIsWhatADeviceIsGiven()
    {
        var kernel = Method(nameof(SmallKernels.WideDot));
        var ptx = PtxCompiler.Compile(kernel, SmallKernels.GroupSize, Newest);
        Assert.Contains($".maxntid {SmallKernels.GroupSize}", ptx, StringComparison.Ordinal);
        Assert.Contains(".target sm_80", ptx, StringComparison.Ordinal);
        Assert.True(Ptxas.Assemble(ptx, CudaArchitecture.SM_80).Registers > 0);
    }

    [Fact]
    public void InstructionOfALaterTargetThanIlgpuNames_IsRefused()
    {
        // The device would do it, but the driver is told to expect no more than sm_80 has.
        const string Body = ".address_size 64\n.visible .entry k()\n{\nbarrier.cluster.arrive;\nret;\n}\n";
        var exception = Assert.Throws<InvalidOperationException>(() => Ptxas.Assemble($".version 7.8\n.target sm_80\n{Body}", Newest));
        Assert.Contains("requires .target sm_90", exception.Message, StringComparison.Ordinal);
        Assert.True(Ptxas.Assemble($".version 7.8\n.target sm_90\n{Body}", Newest).Registers > 0);
    }

    [Fact]
    public void TextThatIsNotPtx_IsRefusedInTheAssemblersWords()
    {
        var exception = Assert.Throws<InvalidOperationException>(
            () => Ptxas.Assemble(".version 7.8\n.target sm_90\n.address_size 64\n.visible .entry k() { frobnicate; }\n", Newest));
        Assert.Contains("frobnicate", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MissingAssembler_IsReportedWithItsRemedy()
    {
        var exception = Assert.Throws<InvalidOperationException>(() => Ptxas.Assemble("", Newest, Repository.File("artifacts", "tools", "none")));
        Assert.Contains("run `bash eng/ptxas.sh`", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void KernelThatCannotBeCompiled_IsNamedAndSpoilsNoOther()
    {
        var exception = Assert.Throws<InvalidOperationException>(
            () => PtxCompiler.Compile(Method(nameof(SmallKernels.Uncompilable)), SmallKernels.GroupSize, Newest));
        Assert.Contains(nameof(SmallKernels.Uncompilable), exception.Message, StringComparison.Ordinal);
        Assert.True(Report(nameof(SmallKernels.ScalarDot)).Text.Instructions > 0);
    }

    [Fact]
    public void Instructions_AreThoseOfTheText()
    {
        // A compiled kernel has one statement a line, so its instructions are the lines that do not declare anything.
        var ptx = PtxCompiler.Compile(Method(nameof(SmallKernels.ScalarDot)), SmallKernels.GroupSize, Newest);
        Assert.Equal(InstructionLine.Count(ptx), PtxText.Read(ptx).Instructions);
    }

    [Fact]
    public void HandwrittenText_IsCountedInstructionByInstruction()
    {
        var text = PtxText.Read("""
            .version 7.8 // ld.global.v4.f32 in a comment;
            .visible .entry k(
                .param .u64 p
            )
            .maxntid 128, 1, 1
            {
                .reg .b32 acc<4>;
            LOOP:
                cp.async.cg.shared.global [a], [b], 16;
            INNER: // two labels in a row
            NEXT:
                ld.global.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1];
                @%p1 bra NEXT;
                @!%p1 bra.uni LOOP;
                bra DONE;
            DONE:
                ld.global.nc.L1::no_allocate.L2::128B.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1];
                ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%rd1]; ld.global.v2.u32 {%r1,%r2}, [%rd1];
                ld.global.v2.f64 {%d1,%d2}, [%rd1];
                ld.shared.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1];
                ld.global.v4.u16 {%h1,%h2,%h3,%h4}, [%rd1];
                { .reg .u64 a; cvta.to.shared.u64 a, %0; cp.async.cg.shared.global.L2::128B [a], [%1], 16; }
                cp.async.ca.shared.global [a], [%1], 4;
                call (result),
                Fn,
                (
                %f1
                );
                ret;
            }
            """);
        Assert.Equal(new PtxText(Instructions: 16, WideLoads: 3, WideCopies: 2, WideReadsInLoops: 2), text);
    }

    [Fact]
    public void Words_AreMatricesWhereAKernelSaysSo()
    {
        const string Text = """
            .entry k()
            {
            LOOP:
                ld.global.v4.b32 {%r1,%r2,%r3,%r4}, [%rd1];
                ld.global.v4.f32 {%f1,%f2,%f3,%f4}, [%rd1];
                ld.global.v2.b32 {%r1,%r2}, [%rd1];
                bra LOOP;
            }
            """;
        Assert.Equal(1, PtxText.Read(Text).WideReadsInLoops);
        Assert.Equal(2, PtxText.Read(Text, readsWords: true).WideReadsInLoops);
    }

    private static KernelReport Report(string name, int wideReads = 0) =>
        KernelReport.Create(new("-", name, Method(name), SmallKernels.GroupSize, 64, wideReads), Newest);

    private static MethodInfo Method(string name) => typeof(SmallKernels).GetMethod(name)!;

    private static string Volatile(int values, int registers)
    {
        var all = Enumerable.Range(0, values).Select(i => i.ToString(CultureInfo.InvariantCulture)).ToArray();
        var loads = all.Select(i => $"ld.volatile.global.f32 %f{i}, [%rd];");
        var stores = all.Select(i => $"st.volatile.global.f32 [%rd], %f{i};");
        return $$"""
            .version 7.8
            .target sm_90
            .address_size 64
            .visible .entry spill(.param .u64 p)
            .maxnreg {{registers}}
            {
            .reg .b64 %rd;
            .reg .f32 %f<{{values}}>;
            ld.param.u64 %rd, [p];
            {{string.Join('\n', loads.Concat(stores))}}
            ret;
            }

            """;
    }

    [GeneratedRegex(@"^\s+(@!?%\w+\s+)?[a-z][^;\n]*;\s*$", RegexOptions.Multiline)]
    private static partial Regex InstructionLine { get; }
}
