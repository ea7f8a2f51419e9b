using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu;
using ILGPU;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Nccl;

/// <summary>Makes the emulated NCCL this process's <c>libnccl.so.2</c>, and runs ranks on emulated devices.</summary>
internal static class EmulatedNccl
{
    // Kernels are compiled for each device, which takes a second: tests share them.
    private static readonly CudaAccelerator?[] s_accelerators = new CudaAccelerator?[CudaAttributes.Devices];
    private static readonly Lazy<nint> s_library = new(() => JumpLibrary.Load("libnccl.so.2", NcclExports.Functions));
    private static readonly Lazy<Context> s_context = new(CreateContext);

    /// <summary>Loads it, once, before anybody asks for NCCL.</summary>
    public static void Load() => _ = s_library.Value;

    /// <summary>The accelerator of a device.</summary>
    public static CudaAccelerator Accelerator(int device) => device == 0 ? (CudaAccelerator)EmulatedBackend.Cuda : s_accelerators[device] ??= s_context.Value.GetCudaDevice(device).CreateCudaAccelerator(s_context.Value);

    /// <summary>Runs a program on a thread for each rank, each with a device of its own.</summary>
    /// <param name="size">The number of ranks.</param>
    /// <param name="program">The program of a rank.</param>
    /// <returns>What each rank threw, or null.</returns>
    public static Exception?[] Run(int size, Action<NcclRanks> program)
    {
        var id = CreateId();
        return Run(size, rank =>
        {
            using var ranks = new NcclRanks(Accelerator(rank), rank, size, id);
            program(ranks);
        });
    }

    /// <summary>Runs a program on a thread for each rank, which joins the others itself.</summary>
    public static Exception?[] Run(int size, Action<int> program)
    {
        for (var rank = 0; rank < size; rank++) _ = Accelerator(rank);
        var failures = new Exception?[size];
        var threads = new Thread[size];
        for (var rank = 0; rank < size; rank++)
        {
            var number = rank;
            threads[rank] = new Thread(() =>
            {
                failures[number] = Record.Exception(() =>
                {
                    Accelerator(number).Bind();
                    program(number);
                });
                if (failures[number] is not null) NcclExports.EndJobs();
            });
            threads[rank].Start();
        }

        foreach (var thread in threads) thread.Join();
        Assert.Equal(0, NcclExports.LeftOperations);
        return failures;
    }

    /// <summary>An id.</summary>
    public static byte[] CreateId()
    {
        Load();
        return NcclRanks.CreateId();
    }

    private static Context CreateContext()
    {
        EmulatedDriver.Load();
        return Context.Create(builder => GpuContext.Configure(builder.Cuda()));
    }
}
