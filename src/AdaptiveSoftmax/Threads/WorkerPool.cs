using System.Collections.Concurrent;

namespace AdaptiveSoftmax;

/// <summary>A loop body over the parts of a fixed partition.</summary>
internal interface IParallelBody
{
    /// <summary>Does one part. Parts must not depend on each other, nor on the thread that runs them.</summary>
    void Run(int part);
}

/// <summary>
/// Runs the parts of a loop on a fixed number of threads. .NET's own <c>Parallel.For</c> allocates at each call, and a
/// decoding step of 0.1 ms must not; here a call costs no allocation and, while the workers still spin, a microsecond.
/// Who runs which part is left to chance: a partition by sizes alone makes the result the same bits all the same.
/// </summary>
internal sealed unsafe class WorkerPool
{
    private const int SpinsBeforeSleep = 200;
    private static readonly ConcurrentDictionary<(int Threads, nint Team), WorkerPool> s_pools = new();

    private readonly object _sleepers = new();
    private readonly int _workerCount;
    private readonly nint _team;
    private bool _workersStarted;
    private int _sleeping;
    private int _busy;
    private int _active;
    private int _openJob;
    private int _lastJob;
    private int _nextPart;
    private int _partCount;
    private void* _body;
    private delegate*<void*, int, void> _runPart;
    private Exception? _failure;

    private WorkerPool(int threads, nint team)
    {
        _workerCount = threads - 1;
        _team = team;
    }

    /// <summary>The pool of so many threads, the caller's included. Pools live as long as the process.</summary>
    /// <param name="threads">The number of threads.</param>
    /// <param name="team">The <see cref="OpenMpTeam"/> whose threads it borrows; 0 for threads of its own.</param>
    public static WorkerPool Get(int threads, nint team = 0) =>
        s_pools.GetOrAdd((threads, team), static key => new WorkerPool(key.Threads, key.Team));

    /// <summary>
    /// Runs parts 0 to <paramref name="parts"/> − 1 and returns when all are done. A call from inside a part, or while
    /// another thread's loop runs on this pool, does its parts on the calling thread; a team is each caller's own.
    /// </summary>
    public void Run<TBody>(ref TBody body, int parts)
        where TBody : unmanaged, IParallelBody
    {
        if (_team != 0 && parts > 1 && _workerCount > 0)
        {
            fixed (TBody* pinned = &body) OpenMpTeam.Run(_team, _workerCount + 1, pinned, parts, &RunPart<TBody>);
            return;
        }

        if (parts <= 1 || _workerCount == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            for (var part = 0; part < parts; part++) body.Run(part);
            return;
        }

        try
        {
            if (!_workersStarted) StartWorkers();
            fixed (TBody* pinned = &body) RunShared(pinned, parts, &RunPart<TBody>);
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    private static void RunPart<TBody>(void* body, int part)
        where TBody : unmanaged, IParallelBody => ((TBody*)body)->Run(part);

    private void RunShared(void* body, int parts, delegate*<void*, int, void> runPart)
    {
        _body = body;
        _runPart = runPart;
        _partCount = parts;
        _nextPart = 0;
        _failure = null;
        var job = ++_lastJob == 0 ? ++_lastJob : _lastJob;
        Interlocked.Exchange(ref _openJob, job);
        if (Volatile.Read(ref _sleeping) > 0)
        {
            lock (_sleepers) Monitor.PulseAll(_sleepers);
        }

        RunParts();

        // A worker announces itself in _active before it reads _openJob, and both sides fence in between: once the job
        // is closed and nobody is active, no worker can still reach the body, which lives on this thread's stack.
        Interlocked.Exchange(ref _openJob, 0);
        var wait = default(SpinWait);
        while (Volatile.Read(ref _active) != 0) wait.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure) throw new AggregateException(failure);
    }

    private void RunParts()
    {
        try
        {
            for (var part = Interlocked.Increment(ref _nextPart) - 1; part < _partCount; part = Interlocked.Increment(ref _nextPart) - 1)
                _runPart(_body, part);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            Volatile.Write(ref _nextPart, _partCount);
        }
    }

    private void StartWorkers()
    {
        for (var i = 0; i < _workerCount; i++)
            new Thread(WorkerLoop) { IsBackground = true, Name = $"AdaptiveSoftmax worker {i + 1}" }.Start();
        _workersStarted = true;
    }

    private void WorkerLoop()
    {
        var done = 0;
        while (true)
        {
            var job = WaitForJob(done);
            Interlocked.Increment(ref _active);
            if (Volatile.Read(ref _openJob) == job) RunParts();
            Interlocked.Decrement(ref _active);
            done = job;
        }
    }

    private int WaitForJob(int done)
    {
        for (var spin = 0; spin < SpinsBeforeSleep; spin++)
        {
            var job = Volatile.Read(ref _openJob);
            if (job != 0 && job != done) return job;
            Thread.SpinWait(50);
        }

        lock (_sleepers)
        {
            Interlocked.Increment(ref _sleeping);
            try
            {
                while (true)
                {
                    var job = Volatile.Read(ref _openJob);
                    if (job != 0 && job != done) return job;
                    Monitor.Wait(_sleepers);
                }
            }
            finally
            {
                Interlocked.Decrement(ref _sleeping);
            }
        }
    }
}
