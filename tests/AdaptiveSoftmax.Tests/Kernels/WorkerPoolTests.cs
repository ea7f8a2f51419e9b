using System.Runtime.CompilerServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public unsafe class WorkerPoolTests
{
    private struct CountBody : IParallelBody
    {
        public int* Counts;
        public int Rounds;

        public readonly void Run(int part)
        {
            for (var i = 0; i < Rounds; i++) Counts[part]++;
        }
    }

    private struct ThrowingBody : IParallelBody
    {
        public readonly void Run(int part)
        {
            if (part == 3) throw new InvalidOperationException("part 3");
        }
    }

    private struct NestedBody : IParallelBody
    {
        public int* Counts;

        public readonly void Run(int part)
        {
            var inner = new CountBody { Counts = Counts + (part * 4), Rounds = 1 };
            WorkerPool.Get(3).Run(ref inner, 4);
        }
    }

    [Fact]
    public void EveryPart_RunsExactlyOnce_OverManyLoops()
    {
        foreach (var threads in (ReadOnlySpan<int>)[1, 2, 3, 8])
        {
            var pool = WorkerPool.Get(threads);
            var counts = new int[257];
            fixed (int* pointer = counts)
            {
                var body = new CountBody { Counts = pointer, Rounds = 1 };
                for (var loop = 0; loop < 2000; loop++) pool.Run(ref body, loop % 257);
            }

            for (var part = 0; part < counts.Length; part++)
                Assert.Equal(Enumerable.Range(0, 2000).Count(loop => loop % 257 > part), counts[part]);
        }
    }

    [Fact]
    public void ALoopInsideALoop_AndLoopsOfSeveralThreads_AllRun()
    {
        var counts = new int[8 * 40];
        fixed (int* pointer = counts)
        {
            var address = (nint)pointer;
            var callers = Enumerable.Range(0, 8).Select(caller => new Thread(() =>
            {
                for (var loop = 0; loop < 500; loop++)
                {
                    var body = new NestedBody { Counts = (int*)address + (caller * 40) };
                    WorkerPool.Get(3).Run(ref body, 10);
                }
            })).ToArray();
            foreach (var caller in callers) caller.Start();
            foreach (var caller in callers) caller.Join();
        }

        Assert.All(counts, count => Assert.Equal(500, count));
    }

    [Fact]
    public void AFailingPart_IsReportedToTheCaller_AndThePoolGoesOn()
    {
        var pool = WorkerPool.Get(4);
        for (var attempt = 0; attempt < 50; attempt++)
        {
            var body = default(ThrowingBody);
            var failure = Assert.ThrowsAny<Exception>(() => pool.Run(ref body, 20));
            Assert.Equal("part 3", (failure.InnerException ?? failure).Message);
        }
    }

    [Fact]
    public void Workers_AreSharedByAllLayersOfOneNumberOfThreads_AndEndWithTheLast()
    {
        const int Threads = 19;
        var pool = WorkerPool.Get(Threads);
        var layers = Enumerable.Range(0, 15).Select(_ => CreateLayer(Threads)).ToArray();
        foreach (var layer in layers) layer.Predict(new float[64]);
        Assert.Equal(Threads - 1, pool.Workers);
        foreach (var layer in layers[1..]) layer.Dispose();
        Assert.Equal(Threads - 1, pool.Workers);
        layers[0].Dispose();
        layers[0].Dispose();
        SpinWait.SpinUntil(() => pool.Workers == 0);

        using var later = CreateLayer(Threads);
        later.Predict(new float[64]);
        Assert.Equal(Threads - 1, pool.Workers);
    }

    [Fact]
    public void Workers_EndWithALayerThatIsForgotten()
    {
        const int Threads = 20;
        Forget();
        SpinWait.SpinUntil(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return WorkerPool.Get(Threads).Workers == 0;
        });

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget()
        {
            CreateLayer(Threads).Predict(new float[64]);
            Assert.Equal(Threads - 1, WorkerPool.Get(Threads).Workers);
        }
    }

    [Fact]
    public void Workers_ThatNoLayerKeeps_EndAfterAWhile_AndStartAgain()
    {
        var pool = new WorkerPool(threads: 4, team: 0, lingerTime: TimeSpan.FromMilliseconds(1));
        var counts = new int[64];
        fixed (int* pointer = counts)
        {
            var body = new CountBody { Counts = pointer, Rounds = 1 };
            for (var loop = 1; loop <= 20; loop++)
            {
                pool.Run(ref body, 64);
                Assert.All(counts, count => Assert.Equal(loop, count));
                SpinWait.SpinUntil(() => pool.Workers == 0);
            }
        }
    }

    [Fact]
    public void OwnersThatComeAndGo_BesideLoops_LoseNoPart()
    {
        var pool = new WorkerPool(threads: 4, team: 0, lingerTime: TimeSpan.Zero);
        var counts = new int[64];
        var isDone = false;
        var owners = new Thread(() =>
        {
            while (!Volatile.Read(ref isDone)) pool.KeepWorkers().Dispose();
        });
        owners.Start();
        fixed (int* pointer = counts)
        {
            var body = new CountBody { Counts = pointer, Rounds = 1 };
            for (var loop = 0; loop < 3_000; loop++) pool.Run(ref body, 64);
        }

        Volatile.Write(ref isDone, true);
        owners.Join();
        Assert.All(counts, count => Assert.Equal(3_000, count));
    }

    private static DynamicAdaptiveSoftmax CreateLayer(int threads) =>
        new(SoftmaxLayout.CreateFull(64, 4_000), options: new AdaptiveSoftmaxOptions { Threads = threads });

    [Fact]
    public void ARun_AllocatesNothing()
    {
        var pool = WorkerPool.Get(2);
        var counts = new int[64];
        fixed (int* pointer = counts)
        {
            var body = new CountBody { Counts = pointer, Rounds = 1 };
            for (var warmUp = 0; warmUp < 100; warmUp++) pool.Run(ref body, 64);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var loop = 0; loop < 100; loop++) pool.Run(ref body, 64);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }
}
