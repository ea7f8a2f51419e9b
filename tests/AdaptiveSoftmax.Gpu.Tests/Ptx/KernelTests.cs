using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>Checks every kernel of <see cref="KernelCases"/>, on machines without a CUDA device too.</summary>
public sealed class KernelTests
{
    // Compiled beside each other: each has a context of its own.
    private static readonly Lazy<Dictionary<string, Task<KernelReport>>> s_reports = new(() => Create(Newest));
    private static readonly Lazy<Dictionary<string, Task<KernelReport>>> s_oldReports = new(() => Create(Oldest));

    private static CudaArchitecture Newest => CudaArchitecture.SM_90;

    private static CudaArchitecture Oldest => CudaArchitecture.SM_80;

    public static TheoryData<string> Kernels => [.. KernelCases.All.Keys];

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task Kernel_KeepsItsBounds(string kernel)
    {
        foreach (var reports in new[] { s_reports, s_oldReports })
        {
            var report = await reports.Value[kernel];
            Assert.True(!report.Faults().Any(), $"{kernel}: {string.Join(' ', report.Faults())}\n{report}");
        }
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

    private static Dictionary<string, Task<KernelReport>> Create(CudaArchitecture architecture) =>
        KernelCases.All.ToDictionary(kernel => kernel.Key, kernel => Task.Run(() => KernelReport.Create(kernel.Value, architecture, readCode: architecture == Newest)));
}
