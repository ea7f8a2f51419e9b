using System.Collections.Concurrent;
using System.Diagnostics;

namespace AdaptiveSoftmax;

/// <summary>A loop body over the tiles of a fixed partition.</summary>
internal interface IParallelBody
{
    /// <summary>Does one tile. Tiles must not depend on each other, nor on the thread that runs them.</summary>
    void Run(int tile);
}

/// <summary>
/// Runs the tiles of a loop on a fixed number of threads. .NET's own <c>Parallel.For</c> allocates at each call, and a
/// decoding step must not; here a call allocates nothing, and costs next to nothing while the workers still spin.
/// Who runs which tile is left to chance: a partition by sizes alone makes the result the same bits all the same.
/// </summary>
/// <remarks>
/// All who ask for the same number of threads share a pool. Its workers start with its first loop. They end with the last
/// owner that keeps them or, where nobody does, when no loop has come for a while; a later loop starts others.
/// </remarks>
internal sealed unsafe class WorkerPool
{
    // The loops of one step follow each other at once, and so do steps where nothing but decoding happens: a worker waits
    // for them by spinning. Where the last wait was longer than any spinning would have lasted, it spins for a moment only.
    private const int ShortSpins = 20;
    private const int LongSpins = 200;

    private static readonly TimeSpan s_linger = TimeSpan.FromSeconds(10);
    private static readonly ConcurrentDictionary<(int Threads, nint Team), WorkerPool> s_pools = new();

    private readonly object _sleepers = new();
    private readonly int _workerCount;
    private readonly nint _team;
    private readonly TimeSpan _lingerTime;
    private int _workers;
    private int _owners;
    private bool _isEnding;
    private int _sleeping;
    private int _busy;
    private int _active;
    private int _openJob;
    private int _lastJob;
    private int _nextTile;
    private int _tileCount;
    private void* _body;
    private delegate*<void*, int, void> _runTile;
    private Exception? _failure;

    /// <summary>A pool that nobody shares.</summary>
    /// <param name="threads">The number of threads, the caller's included.</param>
    /// <param name="team">The <see cref="OpenMpTeam"/> whose threads it borrows; 0 for threads of its own.</param>
    /// <param name="lingerTime">How long workers that no owner keeps wait for another loop.</param>
    internal WorkerPool(int threads, nint team, TimeSpan lingerTime)
    {
        _workerCount = threads - 1;
        _team = team;
        _lingerTime = lingerTime;
    }

    /// <summary>The workers that are there, the callers not included.</summary>
    public int Workers => Volatile.Read(ref _workers);

    /// <summary>The pool of so many threads, the caller's included.</summary>
    /// <param name="threads">The number of threads.</param>
    /// <param name="team">The <see cref="OpenMpTeam"/> whose threads it borrows; 0 for threads of its own.</param>
    public static WorkerPool Get(int threads, nint team = 0) =>
        s_pools.GetOrAdd((threads, team), static key => new WorkerPool(key.Threads, key.Team, s_linger));

    /// <summary>Keeps the workers, once there are any, until the result is disposed or collected.</summary>
    public IDisposable KeepWorkers()
    {
        lock (_sleepers)
        {
            _owners++;
            _isEnding = false;
        }

        return new Owner(this);
    }

    /// <summary>
    /// Runs tiles 0 to <paramref name="tiles"/> − 1 and returns when all are done. A call from inside a tile, or while
    /// another thread's loop runs on this pool, does its tiles on the calling thread; a team is each caller's own.
    /// </summary>
    public void Run<TBody>(ref TBody body, int tiles)
        where TBody : unmanaged, IParallelBody
    {
        if (_team != 0 && tiles > 1 && _workerCount > 0)
        {
            fixed (TBody* pinned = &body) OpenMpTeam.Run(_team, _workerCount + 1, pinned, tiles, &RunTile<TBody>);
            return;
        }

        if (tiles <= 1 || _workerCount == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            for (var tile = 0; tile < tiles; tile++) body.Run(tile);
            return;
        }

        try
        {
            if (Volatile.Read(ref _workers) < _workerCount) StartWorkers();
            fixed (TBody* pinned = &body) RunShared(pinned, tiles, &RunTile<TBody>);
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    private static void RunTile<TBody>(void* body, int tile)
        where TBody : unmanaged, IParallelBody => ((TBody*)body)->Run(tile);

    private void RunShared(void* body, int tiles, delegate*<void*, int, void> runTile)
    {
        _body = body;
        _runTile = runTile;
        _tileCount = tiles;
        _nextTile = 0;
        _failure = null;
        var job = ++_lastJob == 0 ? ++_lastJob : _lastJob;
        Interlocked.Exchange(ref _openJob, job);
        if (Volatile.Read(ref _sleeping) > 0)
        {
            lock (_sleepers) Monitor.PulseAll(_sleepers);
        }

        RunTiles();

        // A worker announces itself in _active before it reads _openJob, and both sides fence in between: once the job
        // is closed and nobody is active, no worker can still reach the body, which lives on this thread's stack.
        Interlocked.Exchange(ref _openJob, 0);
        var wait = default(SpinWait);
        while (Volatile.Read(ref _active) != 0) wait.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure) throw new AggregateException(failure);
    }

    private void RunTiles()
    {
        try
        {
            for (var tile = Interlocked.Increment(ref _nextTile) - 1; tile < _tileCount; tile = Interlocked.Increment(ref _nextTile) - 1)
                _runTile(_body, tile);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            Volatile.Write(ref _nextTile, _tileCount);
        }
    }

    private void StartWorkers()
    {
        lock (_sleepers)
        {
            _isEnding = false;
            for (; _workers < _workerCount; _workers++)
                new Thread(WorkerLoop) { IsBackground = true, Name = FormattableString.Invariant($"AdaptiveSoftmax worker {_workers + 1}") }.Start();
        }
    }

    private void WorkerLoop()
    {
        var done = 0;
        var spins = LongSpins;
        while (WaitForJob(done, ref spins) is var job && job != 0)
        {
            Interlocked.Increment(ref _active);
            if (Volatile.Read(ref _openJob) == job) RunTiles();
            Interlocked.Decrement(ref _active);
            done = job;
        }
    }

    // The next job; 0 to end.
    private int WaitForJob(int done, ref int spins)
    {
        var start = Stopwatch.GetTimestamp();
        for (var spin = 0; spin < spins; spin++)
        {
            var job = Volatile.Read(ref _openJob);
            if (job != 0 && job != done) return job;
            Thread.SpinWait(50);
        }

        var spinning = Stopwatch.GetTimestamp() - start;
        var next = Sleep(done);
        spins = Stopwatch.GetTimestamp() - start < spinning * LongSpins / spins ? LongSpins : ShortSpins;
        return next;
    }

    private int Sleep(int done)
    {
        lock (_sleepers)
        {
            Interlocked.Increment(ref _sleeping);
            try
            {
                while (true)
                {
                    var job = Volatile.Read(ref _openJob);
                    if (job != 0 && job != done) return job;
                    var hasLingered = !_isEnding && !Monitor.Wait(_sleepers, _owners > 0 ? Timeout.InfiniteTimeSpan : _lingerTime) && _owners == 0;
                    if (!_isEnding && !(hasLingered && Volatile.Read(ref _openJob) == 0)) continue;
                    _workers--;
                    return 0;
                }
            }
            finally
            {
                Interlocked.Decrement(ref _sleeping);
            }
        }
    }

    private void Release()
    {
        lock (_sleepers)
        {
            if (--_owners > 0) return;
            _isEnding = true;
            Monitor.PulseAll(_sleepers);
        }
    }

    private sealed class Owner(WorkerPool pool) : IDisposable
    {
        private WorkerPool? _pool = pool;

        ~Owner() => Release();

        public void Dispose()
        {
            Release();
            GC.SuppressFinalize(this);
        }

        private void Release() => Interlocked.Exchange(ref _pool, null)?.Release();
    }
}
