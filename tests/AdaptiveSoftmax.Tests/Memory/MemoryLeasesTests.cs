namespace AdaptiveSoftmax.Tests.Memory;

public sealed class MemoryLeasesTests
{
    [Fact]
    public void MemoryWithoutCalls_IsFreedAtOnce()
    {
        var (leases, freed) = (new MemoryLeases(), 0);
        leases.WhenUnused(() => freed++);
        Assert.Equal(1, freed);
        leases.Take().Dispose();
        Assert.Equal(1, freed);
    }

    [Fact]
    public void MemoryInUse_IsFreedByTheLastCall()
    {
        var (leases, freed) = (new MemoryLeases(), 0);
        var first = leases.Take();
        var second = leases.Take();
        leases.WhenUnused(() => freed++);
        first.Dispose();
        Assert.Equal(0, freed);
        second.Dispose();
        Assert.Equal(1, freed);
    }

    [Fact]
    public void ClosedMemory_RefusesNewCalls_AndKeepsOldOnes()
    {
        var (leases, freed) = (new MemoryLeases(), 0);
        var lease = leases.Take();
        leases.Close(typeof(Parameter));
        leases.WhenUnused(() => freed++);
        Assert.Contains(nameof(Parameter), Assert.Throws<ObjectDisposedException>(() => leases.Take()).ObjectName, StringComparison.Ordinal);
        Assert.Equal(0, freed);
        lease.Dispose();
        Assert.Equal(1, freed);
    }

    [Fact]
    public void CallsOfManyThreads_NeverSeeFreedMemory()
    {
        for (var round = 0; round < 200; round++)
        {
            var (leases, isFreed, seen, freed) = (new MemoryLeases(), false, 0, 0);
            using var started = new Barrier(4);
            var callers = Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                started.SignalAndWait(TestContext.Current.CancellationToken);
                try
                {
                    while (true)
                    {
                        using var lease = leases.Take();
                        if (Volatile.Read(ref isFreed)) Interlocked.Increment(ref seen);
                    }
                }
                catch (ObjectDisposedException)
                {
                }
            })).ToArray();
            foreach (var caller in callers) caller.Start();
            started.SignalAndWait(TestContext.Current.CancellationToken);
            Thread.SpinWait(round * 20);
            leases.Close(typeof(Parameter));
            leases.WhenUnused(() =>
            {
                Interlocked.Increment(ref freed);
                Volatile.Write(ref isFreed, true);
            });
            foreach (var caller in callers) caller.Join();
            Assert.Equal((0, 1), (seen, freed));
        }
    }
}
