using System.Reflection;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Tests;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>What the emulated driver is strict about, seen through ILGPU.</summary>
[Collection(Backend.Collection)]
public sealed class DriverTests
{
    private static Accelerator Accelerator => EmulatedBackend.Cuda;

    [Fact]
    public void Device_IsNamedAsWhatItIs()
    {
        Assert.Equal("Emulated CUDA device", Accelerator.Name);
        Assert.Equal(CudaArchitecture.SM_90, ((CudaAccelerator)Accelerator).Architecture);
        Assert.Equal(132, Accelerator.NumMultiprocessors);
    }

    [Fact]
    public void KernelThatWritesOutsideItsBuffer_IsNamedWithItsInstruction_AndEndsTheContext()
    {
        var accelerator = Accelerator;
        var buffer = accelerator.Allocate1D<int>(10);
        var launch = accelerator.LoadKernel<ArrayView<int>>(WriteBehind);
        launch(accelerator.DefaultStream, (1, 32), buffer.View);
        var error = Assert.Throws<CudaException>(accelerator.Synchronize).Message;
        // ILGPU forgets a kernel that nobody holds.
        GC.KeepAlive(launch);
        Assert.Contains("Kernel_WriteBehind", error, StringComparison.Ordinal);
        Assert.Contains("outside of all buffers, which has 40 bytes", error, StringComparison.Ordinal);
        Assert.Contains("st.global", error, StringComparison.Ordinal);

        // The next call says it again; that it asks for memory does not make it a question of memory.
        Assert.Contains("Kernel_WriteBehind", Assert.Throws<CudaException>(() => new GpuParameter(accelerator, "weight", 2, 2)).Message, StringComparison.Ordinal);
        Assert.NotSame(accelerator, Accelerator);
        using var works = Accelerator.Allocate1D<int>([1, 2]);
        Assert.Equal([1, 2], works.GetAsArray1D());
    }

    [Fact]
    public void WorkIsDoneWhenItsStreamIsWaitedFor_AndNotBefore()
    {
        using var first = Accelerator.CreateStream();
        using var second = Accelerator.CreateStream();
        using var buffer = Accelerator.Allocate1D<int>([1, 2, 3]);
        // What earlier tests left to the collector is freed now: a free waits for all streams, as CUDA's does.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        buffer.MemSetToZero(first);
        Assert.Equal([1, 2, 3], buffer.GetAsArray1D(second));
        first.Synchronize();
        Assert.Equal([0, 0, 0], buffer.GetAsArray1D(second));
    }

    [Fact]
    public void HostMemory_IsReadWhenACopyIsAskedFor()
    {
        using var stream = Accelerator.CreateStream();
        using var buffer = Accelerator.Allocate1D<int>(3);
        int[] values = [1, 2, 3];
        buffer.View.CopyFromCPU(stream, values);
        Array.Clear(values);
        Assert.Equal([1, 2, 3], buffer.GetAsArray1D(stream));
    }

    [Theory]
    [InlineData(0, 1, 0, 16)]
    [InlineData(1, 1025, 0, 16)]
    [InlineData(1, 64, 0, 16)] // more threads than the kernel is compiled for
    [InlineData(1, 32, 49_153, 16)]
    [InlineData(1, 32, 0, 8)]
    public unsafe void LaunchThatADriverRefuses_IsRefused(int groups, int threads, int sharedBytes, int argumentBytes)
    {
        var kernel = (CudaKernel)Accelerator.LoadKernel(typeof(DriverTests).GetMethod(nameof(WriteBehind), BindingFlags.NonPublic | BindingFlags.Static)!, new KernelSpecialization(32, null));
        Assert.Equal(CudaError.CUDA_ERROR_INVALID_VALUE, Launch(groups, threads, sharedBytes, argumentBytes));
        Assert.Equal(CudaError.CUDA_SUCCESS, Launch(1, 32, 0, 16));
        CudaExports.Device.Get<CudaContext>(Accelerator.NativePtr).DefaultStream.Abandon();

        CudaError Launch(int groups, int threads, int sharedBytes, int argumentBytes)
        {
            using var binding = Accelerator.BindScoped();
            var arguments = stackalloc long[2];
            nint size = argumentBytes;
            var extra = stackalloc void*[] { (void*)1, arguments, (void*)2, &size, (void*)0 };
            return CudaAPI.CurrentAPI.LaunchKernel(kernel.FunctionPtr, groups, 1, 1, threads, 1, 1, sharedBytes, 0, 0, (nint)extra);
        }
    }

    [Fact]
    public void TextWithAnUnknownInstruction_IsRefusedWhenItIsLoaded()
    {
        var error = Assert.Throws<CudaException>(() => Accelerator.LoadKernel<ArrayView<int>>(Frobnicate));
        Assert.Contains("frobnicate", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("allocate")]
    [InlineData("free")]
    [InlineData("wait for the device")]
    [InlineData("copy from the host")]
    [InlineData("load a kernel")]
    public void CallThatMayNotBeRecorded_SpoilsTheRecordingAndNothingElse(string what)
    {
        using var stream = Accelerator.CreateStream();
        using var buffer = Accelerator.Allocate1D<int>([1, 2, 3]);
        var other = Accelerator.Allocate1D<int>(1);
        using var graph = LaunchGraph.TryCapture(
            Accelerator, stream,
            recorded =>
            {
                buffer.MemSetToZero(recorded);
                switch (what)
                {
                    case "allocate":
                        Accelerator.Allocate1D<int>(1);
                        break;
                    case "free":
                        other.Dispose();
                        break;
                    case "wait for the device":
                        Accelerator.Synchronize();
                        break;
                    case "copy from the host":
                        buffer.View.CopyFromCPU(recorded, [4, 5, 6]);
                        break;
                    default:
                        // One that no test has loaded before.
                        Accelerator.LoadKernel<ArrayView<int>>(Clear);
                        break;
                }
            },
            out var reason);
        Assert.Null(graph);
        Assert.Contains("refused a call while it recorded", reason, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], buffer.GetAsArray1D(stream));
    }

    [Fact]
    public void Recording_KeepsArgumentsAndRunsOnItsStreamAlone()
    {
        using var stream = Accelerator.CreateStream();
        using var recorded = Accelerator.Allocate1D<int>([0]);
        using var elsewhere = Accelerator.Allocate1D<int>([0]);
        var set = Accelerator.LoadKernel<ArrayView<int>, int>(Set);
        var value = 5;
        using var graph = LaunchGraph.TryCapture(
            Accelerator, stream,
            on =>
            {
                set(on, (1, 1), recorded.View, value);
                // The default stream does not wait for streams as ILGPU makes them.
                set(Accelerator.DefaultStream, (1, 1), elsewhere.View, 7);
            },
            out _);
        Assert.Equal(1, graph!.Nodes);
        Assert.Equal((0, 7), (recorded.GetAsArray1D(stream)[0], elsewhere.GetAsArray1D()[0]));
        value = 6;
        graph.Launch(stream);
        Assert.Equal(5, recorded.GetAsArray1D(stream)[0]);
    }

    private static void WriteBehind(ArrayView<int> values) => values[Group.IdxX] = Group.IdxX;

    private static void Set(ArrayView<int> values, int value) => values[0] = value;

    private static void Clear(ArrayView<int> values) => values[0] = 0;

    private static void Frobnicate(ArrayView<int> values)
    {
        values[0] = 1;
        CudaAsm.Emit("frobnicate;");
    }
}
