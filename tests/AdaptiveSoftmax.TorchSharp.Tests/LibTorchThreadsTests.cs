using AdaptiveSoftmax.Gpu.Tests;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp.Tests;

/// <summary>Loops of this project on the threads of libtorch.</summary>
[Collection(Backend.Collection)]
public sealed unsafe class LibTorchThreadsTests
{
    private struct CountBody : IParallelBody
    {
        public int* Counts;

        public readonly void Run(int part) => Interlocked.Increment(ref Counts[part]);
    }

    private struct ThrowingBody : IParallelBody
    {
        public readonly void Run(int part)
        {
            if (part >= 3) throw new InvalidOperationException("a part from 3 on");
        }
    }

    private struct NestedBody : IParallelBody
    {
        public int* Counts;

        public readonly void Run(int part)
        {
            var inner = new CountBody { Counts = Counts + (part * 4) };
            Pool(3).Run(ref inner, 4);
        }
    }

    private struct MeetingBody : IParallelBody
    {
        public int* Arrived;

        // Each part waits for the other, so that one thread alone would never be done.
        public readonly void Run(int part)
        {
            Interlocked.Increment(ref *Arrived);
            while (Volatile.Read(ref *Arrived) < 2) Thread.Yield();
        }
    }

    [Fact]
    public void OnLinux_TheThreadsOfLibtorchAreFound()
    {
        LibTorch.Require();
        Assert.Equal(OperatingSystem.IsLinux(), LibTorchThreads.Team != 0);
    }

    [Fact]
    public void TwoParts_RunAtTheSameTime()
    {
        var arrived = 0;
        var body = new MeetingBody { Arrived = &arrived };
        Pool(2).Run(ref body, 2);
        Assert.Equal(2, arrived);
    }

    [Fact]
    public void EveryPart_RunsExactlyOnce_OverManyLoops_BetweenOperationsOfLibtorch()
    {
        using var values = ones(1000, 100);
        foreach (var threads in (ReadOnlySpan<int>)[1, 2, 3, 7, 2])
        {
            var counts = new int[257];
            fixed (int* pointer = counts)
            {
                var body = new CountBody { Counts = pointer };
                for (var loop = 0; loop < 257 * 4; loop++)
                {
                    Pool(threads).Run(ref body, loop % 257);
                    if (loop % 64 == 0) Assert.Equal(100_000, values.mm(ones(100, 1)).sum().item<float>());
                }
            }

            for (var part = 0; part < counts.Length; part++) Assert.Equal(4 * (256 - part), counts[part]);
        }
    }

    [Fact]
    public void ALoopInsideALoop_AndLoopsOfSeveralThreads_AllRun()
    {
        var counts = new int[4 * 40];
        fixed (int* pointer = counts)
        {
            var address = (nint)pointer;
            var callers = Enumerable.Range(0, 4).Select(caller => new Thread(() =>
            {
                for (var loop = 0; loop < 200; loop++)
                {
                    var body = new NestedBody { Counts = (int*)address + (caller * 40) };
                    Pool(3).Run(ref body, 10);
                }
            })).ToArray();
            foreach (var caller in callers) caller.Start();
            foreach (var caller in callers) caller.Join();
        }

        Assert.All(counts, count => Assert.Equal(200, count));
    }

    [Fact]
    public void FailingParts_AreOneErrorOfTheCaller_AndTheThreadsGoOn()
    {
        for (var attempt = 0; attempt < 50; attempt++)
        {
            var failing = default(ThrowingBody);
            var failure = Assert.Throws<AggregateException>(() => Pool(4).Run(ref failing, 20));
            Assert.Equal("a part from 3 on", Assert.IsType<InvalidOperationException>(failure.InnerException).Message);
            var counts = new int[20];
            fixed (int* pointer = counts)
            {
                var body = new CountBody { Counts = pointer };
                Pool(4).Run(ref body, 20);
            }

            Assert.All(counts, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void ARun_AllocatesNothing()
    {
        var counts = new int[64];
        fixed (int* pointer = counts)
        {
            var body = new CountBody { Counts = pointer };
            for (var warmUp = 0; warmUp < 100; warmUp++) Pool(2).Run(ref body, 64);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var loop = 0; loop < 100; loop++) Pool(2).Run(ref body, 64);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    [Fact]
    public void OutputLossAndGradients_HaveTheSameBits_WithAnyNumberOfLibtorchsThreads()
    {
        var before = get_num_threads();
        try
        {
            using var module = new AdaptiveLogSoftmaxWithLoss(24, 3000, [50, 300], head_bias: true) { implementation = SoftmaxImplementation.Fused };
            var input = randn(70, 24, generator: new Generator(1));
            var target = cat([arange(0, 60), arange(60, 66), arange(2900, 2904)]);
            float[]? expected = null;
            foreach (var threads in (ReadOnlySpan<int>)[1, 2, 3, 7])
            {
                set_num_threads(threads);
                module.zero_grad();
                var leaf = input.detach().requires_grad_();
                var (output, loss) = module.forward(leaf, target);
                loss.backward();
                float[] actual = [.. new[] { output.detach(), loss.detach(), leaf.grad! }.Concat(module.parameters().Select(parameter => parameter.grad!)).SelectMany(values => values.view(-1).data<float>().ToArray())];
                Assert.Equal(expected ??= actual, actual);
            }
        }
        finally
        {
            set_num_threads(before);
        }
    }

    private static WorkerPool Pool(int threads) => WorkerPool.Get(threads, LibTorchThreads.Team);
}
