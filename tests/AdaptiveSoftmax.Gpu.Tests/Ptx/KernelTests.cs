using System.Collections.Concurrent;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>Checks every kernel of <see cref="KernelCases"/>, on machines without a CUDA device too.</summary>
public sealed class KernelTests
{
    private static readonly ConcurrentDictionary<string, Lazy<KernelReport>> s_reports = new(StringComparer.Ordinal);

    private static CudaArchitecture Newest => CudaArchitecture.SM_90;

    public static TheoryData<string> Kernels => [.. KernelCases.All.Keys];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernel_KeepsItsBounds(string kernel)
    {
        var report = Report(kernel);
        Assert.True(!report.Faults().Any(), $"{kernel}: {string.Join(' ', report.Faults())}\n{report}");
    }

    [Fact]
    public void Table_IsTheKeptOne()
    {
        var accept = Environment.GetEnvironmentVariable("ACCEPT_SNAPSHOTS") == "1";
        var kept = PtxTable.KeptVersion(PtxTable.DefaultPath);
        if (!accept && kept is not null && kept != Ptxas.Version)
            Assert.Skip($"The table is of ptxas {kept} and this is {Ptxas.Version}: only the kernels' bounds were tested.");
        var table = PtxTable.Write(KernelCases.All.Keys.Select(Report), PtxCompiler.Name(Newest), Ptxas.Version);
        var difference = PtxTable.Compare(PtxTable.DefaultPath, table, accept);
        Assert.True(difference is null, difference);
    }

    private static KernelReport Report(string kernel) =>
        s_reports.GetOrAdd(kernel, name => new(() => KernelReport.Create(KernelCases.All[name], Newest))).Value;
}
