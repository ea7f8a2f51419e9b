using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>Checks every kernel of <see cref="KernelCases"/>, on machines without a CUDA device too.</summary>
public sealed class KernelTests
{
    // Compiled beside each other: each has a context of its own.
    private static readonly Lazy<Dictionary<string, Task<KernelReport>>> s_reports = new(() =>
        KernelCases.All.ToDictionary(kernel => kernel.Key, kernel => Task.Run(() => KernelReport.Create(kernel.Value, Newest))));

    private static CudaArchitecture Newest => CudaArchitecture.SM_90;

    public static TheoryData<string> Kernels => [.. KernelCases.All.Keys];

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task Kernel_KeepsItsBounds(string kernel)
    {
        var report = await s_reports.Value[kernel];
        Assert.True(!report.Faults().Any(), $"{kernel}: {string.Join(' ', report.Faults())}\n{report}");
    }

    [Fact]
    public async Task Table_IsTheKeptOne()
    {
        var accept = Environment.GetEnvironmentVariable("ACCEPT_SNAPSHOTS") == "1";
        var kept = PtxTable.KeptVersion(PtxTable.DefaultPath);
        if (!accept && kept is not null && kept != Ptxas.Version)
            Assert.Skip($"The table is of ptxas {kept} and this is {Ptxas.Version}: only the kernels' bounds were tested.");
        var reports = await Task.WhenAll(s_reports.Value.Values);
        var table = PtxTable.Write(reports, PtxCompiler.Name(Newest), Ptxas.Version);
        var difference = PtxTable.Compare(PtxTable.DefaultPath, table, accept);
        Assert.True(difference is null, difference);
    }
}
