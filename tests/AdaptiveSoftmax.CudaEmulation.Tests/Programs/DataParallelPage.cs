using AdaptiveSoftmax.Distributed;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Programs;

/// <summary>The program of docs/distributed.md on devices.</summary>
internal static class DataParallelPage
{
    /// <summary>Trains on a rank's device.</summary>
    /// <param name="processes">The ranks.</param>
    /// <param name="accelerator">This rank's device.</param>
    /// <param name="print">Takes what the program prints.</param>
    public static void Run(Collectives processes, Accelerator accelerator, Action<string> print)
    {
        var layout = SoftmaxLayout.Create(4, 18, [6, 12], divValue: 2);

        // Page
        var id = processes.Rank == 0 ? NcclRanks.CreateId() : new byte[NcclRanks.IdLength];
        processes.Broadcast<byte>(id);                                       // MPI finds the other ranks, NCCL moves the values
        using var ranks = new NcclRanks(accelerator, processes.Rank, processes.Size, id);
        using var softmax = new DynamicGpuSoftmax(accelerator, layout, seed: 1);
        using var optimizer = new GpuOptimizer(new Adagrad(learningRate: 0.3));
        var parallel = new GpuDataParallel(ranks, softmax);

        using var hidden = accelerator.Allocate1D<float>([1, 0, 0, 0, 0, 0, 1, 0]);
        using var targets = accelerator.Allocate1D<int>([4, ranks.Rank]);    // each rank has tokens of its own
        using var hiddenGradient = accelerator.Allocate1D<float>(hidden.Length);
        for (var step = 0; step < 2; step++)
        {
            parallel.Backward(hidden.View, targets.View, hiddenGradient.View);
            var loss = parallel.Reduce();                                    // the mean over the targets of all ranks
            optimizer.Step(parallel.Parameters);
            if (ranks.Rank == 0) print($"step {step}: loss {loss:F3}");
        }

        processes.Barrier();                                                 // who leaves ends what NCCL still has to send
        // End of page
    }
}
