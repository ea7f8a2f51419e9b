using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Gpu.Tests;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Nccl;

/// <summary>Ranks and what they exchange, and what is said when they cannot.</summary>
[Collection(Backend.Collection)]
public sealed class NcclTests
{
    private readonly byte[] _id = EmulatedNccl.CreateId();

    [Fact]
    public void Values_AreGatheredInTheOrderOfTheRanks()
    {
        var all = new double[3][];
        var failures = EmulatedNccl.Run(3, ranks => all[ranks.Rank] = ranks.Gather([ranks.Rank, 0.5]));
        Assert.All(failures, Assert.Null);
        Assert.All(all, values => Assert.Equal([0, 0.5, 1, 0.5, 2, 0.5], values));
        Assert.Equal("2.21.5", NcclRanks.LibraryVersion);
    }

    // Pieces of one gradient, several gradients in a piece, and one piece for all.
    [Theory]
    [InlineData(2, 3)]
    [InlineData(4, 2)]
    [InlineData(6, 1)]
    [InlineData(100, 1)]
    public void Gradients_AreScaledAndAddedUp_BehindWhatTheAcceleratorHasToDo(int valuesPerCall, int calls)
    {
        var before = NcclExports.Reductions;
        var failures = EmulatedNccl.Run(2, ranks =>
        {
            ranks.ValuesPerCall = valuesPerCall;
            using var stream = ranks.Accelerator.CreateStream();
            using var first = ranks.Accelerator.Allocate1D<float>(5);
            using var second = ranks.Accelerator.Allocate1D<float>(1);
            using var source = ranks.Accelerator.Allocate1D<float>([1, 2, 3, 4, 5 + ranks.Rank, ranks.Rank]);
            // Nobody waits for these copies.
            first.View.CopyFrom(stream, source.View.SubView(0, 5));
            second.View.CopyFrom(stream, source.View.SubView(5, 1));
            ranks.AddUp([first.View, second.View], 0.5f);
            Assert.Equal([1, 2, 3, 4, 5.5f], first.GetAsArray1D());
            Assert.Equal([0.5f], second.GetAsArray1D());
        });
        Assert.All(failures, Assert.Null);
        Assert.Equal(2 * calls, NcclExports.Reductions - before);
    }

    // NCCL works in the primary context and leaves it behind; ILGPU takes its own for current.
    [Fact]
    public void TheAcceleratorsContext_IsCurrentAfterEachCall()
    {
        var failures = EmulatedNccl.Run(2, rank =>
        {
            var own = CudaExports.Device.Get<CudaContext>(EmulatedNccl.Accelerator(rank).NativePtr);
            var ranks = new NcclRanks(EmulatedNccl.Accelerator(rank), rank, 2, _id);
            Assert.True(CudaDevice.IsCurrent(own));
            ranks.Gather([1]);
            Assert.True(CudaDevice.IsCurrent(own));
            ranks.Dispose();
            Assert.True(CudaDevice.IsCurrent(own));
            ranks.Dispose();
            Assert.Throws<ObjectDisposedException>(() => ranks.Gather([1]));
            Assert.Throws<ObjectDisposedException>(() => ranks.AddUp([], 1));
        });
        Assert.All(failures, Assert.Null);
        Assert.Null(CudaExports.Device.Primary(0));
    }

    [Fact]
    public unsafe void ACallInAnotherContext_IsRefusedByTheEmulation()
    {
        var accelerator = EmulatedNccl.Accelerator(0);
        accelerator.Bind();
        EmulatedNccl.Load();
        var library = NcclLibrary.Load(null);
        Assert.Equal(5, library.Join(library.CreateId(), 0, 1, out _));
        using var context = new PrimaryContext(accelerator);
        nint communicator;
        using (context.Enter()) Assert.Equal(0, library.Join(library.CreateId(), 0, 1, out communicator));
        using var values = accelerator.Allocate1D<float>(4);
        using var stream = (ILGPU.Runtime.Cuda.CudaStream)accelerator.CreateStream();
        Assert.Equal(5, library.CreateScaledSum(1, communicator, out _));
        Assert.Contains("The communicator's context is not the thread's current one.", library.Explain(5, "", "").Message, StringComparison.Ordinal);
        using (context.Enter())
        {
            Assert.Equal(4, library.AllGather((ulong)values.NativePtr, (ulong)values.NativePtr, 1, communicator, context.Stream));
            Assert.Contains("is no memory of the communicator's context.", library.Explain(4, "", "").Message, StringComparison.Ordinal);
            context.Reserve(16);
            Assert.Equal(1, library.AllGather(context.Memory, context.Memory + 8, 1, communicator, stream.StreamPtr));
            Assert.Contains("The stream is of another context.", library.Explain(1, "", "").Message, StringComparison.Ordinal);
            Assert.Equal(0, library.Abort(communicator));
        }
    }

    [Fact]
    public void RanksThatMakeDifferentCalls_AreToldByTheEmulation()
    {
        var failures = EmulatedNccl.Run(2, ranks =>
        {
            using var values = ranks.Accelerator.Allocate1D<float>(5);
            ranks.AddUp([values.View.SubView(0, 4 + ranks.Rank)], 1);
        });
        Assert.StartsWith(
            "ncclAllReduce failed on rank 1 of 2: invalid usage (5, NCCL 2.21.5, 'libnccl.so.2'). NCCL says last: As call 1 one rank makes ncclAllReduce of 5 values of type 7 with scale 1, and rank 0 ncclAllReduce of 4 values",
            Message(failures[1]), StringComparison.Ordinal);
        Assert.EndsWith("Give each rank a device of its own, the same id and number of ranks, and the same calls in the same order.", Message(failures[0]), StringComparison.Ordinal);
    }

    [Fact]
    public void ADeviceWithoutRoom_IsSaid()
    {
        var failures = EmulatedNccl.Run(1, ranks =>
        {
            using var values = ranks.Accelerator.Allocate1D<float>(5);
            CudaExports.Device.AllocationsLeft = 0;
            ranks.AddUp([values.View], 1);
        });
        CudaExports.Device.AllocationsLeft = null;
        Assert.Contains("gradients on their way to other ranks", Assert.IsType<GpuMemoryException>(failures[0]).Message, StringComparison.Ordinal);
    }

    // The call has returned long since, and the others wait in it.
    [Fact]
    public void ARankThatLeaves_IsTheEndOfTheOthers_WhoDoNotWaitForEver()
    {
        var failures = EmulatedNccl.Run(3, ranks =>
        {
            if (ranks.Rank == 2) return;
            var failure = Assert.Throws<NcclException>(() => ranks.Gather([1]));
            Assert.Throws<ObjectDisposedException>(() => ranks.Gather([1]));
            throw failure;
        });
        for (var rank = 0; rank < 2; rank++)
        {
            Assert.Equal(
                $"ncclAllGather failed on rank {rank} of 3: remote process exited or there was a network error (6, NCCL 2.21.5, 'libnccl.so.2'). NCCL says last: Another rank has left. Another rank has ended, or the network between them has failed: its own error says why.",
                Message(failures[rank]));
        }

        Assert.Null(failures[2]);
    }

    [Fact]
    public void RanksOfDifferentNumbers_AreNamed()
    {
        var failures = EmulatedNccl.Run(2, rank => new NcclRanks(EmulatedNccl.Accelerator(rank), rank, 2 + rank, _id).Dispose());
        Assert.All(failures, failure => Assert.Matches("^ncclCommInitRank failed on rank (0 of 2|1 of 3): invalid argument \\(4, .*: One rank says [23] ranks and another [23]\\. ", Message(failure)));
    }

    [Fact]
    public void RanksOnOneDevice_AreNamed()
    {
        var failures = EmulatedNccl.Run(2, rank => new NcclRanks(EmulatedNccl.Accelerator(0), rank, 2, _id).Dispose());
        Assert.All(failures, failure => Assert.Contains("invalid usage (5, NCCL 2.21.5, 'libnccl.so.2'). NCCL says last: Two ranks have the device 0. Give each rank a device of its own", Message(failure), StringComparison.Ordinal));
    }

    [Fact]
    public void WhatIsNoRank_IsRefused()
    {
        var accelerator = EmulatedNccl.Accelerator(0);
        Assert.Equal(NcclRanks.IdLength, _id.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => new NcclRanks(accelerator, 2, 2, _id));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NcclRanks(accelerator, -1, 2, _id));
        Assert.Contains("The id has 5 bytes; one of CreateId has 128.", Assert.Throws<ArgumentException>(() => new NcclRanks(accelerator, 0, 1, new byte[5])).Message, StringComparison.Ordinal);
        Assert.Contains("is a device of CPU, and NCCL is CUDA's.", Assert.Throws<ArgumentException>(() => new NcclRanks(Backend.Cpu, 0, 1, _id)).Message, StringComparison.Ordinal);
        Assert.StartsWith("ncclCommInitRank failed on rank 0 of 1: invalid argument (4, NCCL 2.21.5, 'libnccl.so.2'). NCCL says last: The id is none that ncclGetUniqueId has given. ", Assert.Throws<NcclException>(() => new NcclRanks(accelerator, 0, 1, new byte[128])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ALibraryWithoutALastError_SaysWhatItHas()
    {
        _ = JumpLibrary.Load("libnccl-old.so.2", NcclExports.Functions.Where(function => function.Name != "ncclGetLastError"));
        var old = NcclLibrary.Load("libnccl-old.so.2");
        Assert.Equal(
            "ncclAllReduce failed on rank 0 of 2: invalid usage (5, NCCL 2.21.5, 'libnccl-old.so.2'). Give each rank a device of its own, the same id and number of ranks, and the same calls in the same order.",
            old.Explain(5, "ncclAllReduce", " on rank 0 of 2").Message);
    }

    [Fact]
    public void AMissingOrForeignLibrary_IsSaid()
    {
        Assert.Equal(
            "The NCCL library '/nowhere/libnccl.so', which ADAPTIVE_SOFTMAX_NCCL names, cannot be loaded. Name the file libnccl.so.2 of an installed NCCL for Linux, or unset the variable.",
            Assert.Throws<NcclException>(() => NcclLibrary.Load("/nowhere/libnccl.so")).Message);
        Assert.Equal(
            "'libc.so.6' has no ncclGetVersion, which NCCL has from version 2.11 on. Install a newer one, or name its file by ADAPTIVE_SOFTMAX_NCCL.",
            Assert.Throws<NcclException>(() => NcclLibrary.Load("libc.so.6")).Message);
    }

    private static string Message(Exception? failure) => Assert.IsType<NcclException>(failure).Message;
}
