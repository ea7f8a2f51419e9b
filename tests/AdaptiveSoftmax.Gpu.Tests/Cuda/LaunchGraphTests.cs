using System.Diagnostics.Tracing;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

[Collection(Backend.Collection)]
public sealed class LaunchGraphTests
{
    [Fact]
    public void OnOpenCL_NothingIsRecordedAndTheLaunchesRunPlainly() => AssertFallsBack(Backend.OpenCl, "OpenCL");

    [Fact]
    public void OnTheCpuAccelerator_NothingIsRecordedAndTheLaunchesRunPlainly() => AssertFallsBack(Backend.Cpu, "CPU");

    [Fact]
    public void StreamOfAnotherAccelerator_IsRefused()
    {
        using var stream = Backend.Cpu.CreateStream();
        Assert.Throws<ArgumentException>("stream", () => LaunchGraph.TryCapture(Backend.OpenCl, stream, _ => { }, out _));
    }

    [Fact]
    public void DriverThatCouldNotBeLoaded_IsNamed() =>
        Assert.Contains("cuda", CudaDriver.WhyUnavailable(0, CudaDriver.GraphEntryPoints), StringComparison.Ordinal);

    [Fact]
    public void DriverTooOldForGraphs_IsToldWithTheFunctionItLacks()
    {
        // Any other library is one without those functions; this one is always loaded.
        var library = NativeLibrary.GetMainProgramHandle();
        var reason = CudaDriver.WhyUnavailable(library, CudaDriver.GraphEntryPoints);
        Assert.Contains("cuGraphInstantiateWithFlags", reason, StringComparison.Ordinal);
        Assert.Contains("CUDA 11.4", reason, StringComparison.Ordinal);
        Assert.Null(CudaDriver.WhyUnavailable(library, []));
    }

    [Fact]
    public void EntryPoints_AreAllThatAreCalled()
    {
        // What a recording or a replay calls must be looked for beforehand, or it fails in the middle of one.
        var imported = typeof(CudaDriver).GetMethods(System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.NonPublic)
            .Select(method => method.Name).Where(name => name.StartsWith("cu", StringComparison.Ordinal));
        Assert.Equal(
            CudaDriver.GraphEntryPoints.Concat(["cuInit", "cuDeviceGetCount", "cuFuncSetAttribute", "cuDeviceGetAttribute"]).Order(), imported.Order());
    }

    private static void AssertFallsBack(Accelerator accelerator, string kind)
    {
        using var events = new GpuEvents();
        using var stream = accelerator.CreateStream();
        using var chain = new ChainKernels.Chain(accelerator);
        chain.Fill(stream, 1);
        var recorded = 0;
        Action<AcceleratorStream> launches = on =>
        {
            recorded++;
            chain.Launch(on);
        };
        using var graph = LaunchGraph.TryCapture(accelerator, stream, launches, out var reason);
        Assert.Null(graph);
        Assert.Equal(0, recorded);
        Assert.Contains(accelerator.Name, reason, StringComparison.Ordinal);
        Assert.Contains(kind, reason, StringComparison.Ordinal);
        Assert.Equal([("GraphCaptureUnavailable", EventLevel.Warning, reason)], events.Written);
        launches(stream);
        launches(stream);
        chain.AssertSum(stream, 2);
    }
}
