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
