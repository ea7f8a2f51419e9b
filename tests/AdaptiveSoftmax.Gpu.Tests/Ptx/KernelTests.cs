using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>Checks every kernel of <see cref="KernelCases"/>, on machines without a CUDA device too.</summary>
public sealed class KernelTests
{
    // Compiled beside each other: each has a context of its own. Once for all architectures, which are given the same text but
    // for the numbers in names.
    private static readonly Lazy<Dictionary<string, Task<string>>> s_texts = new(() => KernelCases.All.ToDictionary(kernel => kernel.Key, kernel => Task.Run(() => Compile(kernel.Value, Newest))));
    private static readonly Lazy<Dictionary<string, Task<KernelReport>>> s_reports = new(() => Create(Newest));
    private static readonly Lazy<Dictionary<string, Task<KernelReport>>>[] s_olderReports = [.. Older.Select(older => new Lazy<Dictionary<string, Task<KernelReport>>>(() => Create(older)))];

    private static CudaArchitecture Newest => CudaArchitecture.SM_90;

    private static CudaArchitecture[] Older => [CudaArchitecture.SM_80, CudaArchitecture.SM_89];

    public static TheoryData<string> Kernels => [.. KernelCases.All.Keys];

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task Kernel_KeepsItsBounds(string kernel)
    {
        foreach (var reports in s_olderReports.Prepend(s_reports))
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
        var older = new List<OlderTarget>();
        for (var i = 0; i < Older.Length; i++)
        {
            var registers = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var (kernel, report) in s_olderReports[i].Value) registers.Add(kernel, (await report).Assembled.Registers);
            older.Add(new(PtxCompiler.Name(Older[i]), registers));
        }

        var table = PtxTable.Write(reports, PtxCompiler.Name(Newest), Ptxas.Version, older);
        var difference = PtxTable.Compare(PtxTable.DefaultPath, table, accept);
        Assert.True(difference is null, difference);
    }

    private static string Compile(KernelCase kernel, CudaArchitecture architecture) => PtxCompiler.Compile(kernel.Method, kernel.GroupSize, architecture, kernel.GroupsAtOnce);

    private static Dictionary<string, Task<KernelReport>> Create(CudaArchitecture architecture) => KernelCases.All.ToDictionary(
        kernel => kernel.Key,
        kernel => Task.Run(async () => KernelReport.Create(kernel.Value, await s_texts.Value[kernel.Key], architecture, readCode: architecture == Newest)));
}
