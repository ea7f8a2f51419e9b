using System.Runtime.ExceptionServices;

namespace AdaptiveSoftmax.Distributed;

/// <summary>Where the threads of a job meet: each shows the others its memory, and all go on when all are done.</summary>
internal sealed unsafe class Meeting(int size)
{
    private readonly object _gate = new();
    private readonly nint[] _memory = new nint[size];
    private int _waiting;
    private long _round;
    private int _failedRank;
    private Exception? _failure;

    /// <summary>The failure that ended the job; null where there is none.</summary>
    public Exception? Failure => _failure;

    /// <summary>Shows the others memory and waits for theirs.</summary>
    public void Show(int rank, void* memory)
    {
        _memory[rank] = (nint)memory;
        Wait();
    }

    /// <summary>The memory that a rank shows.</summary>
    public byte* MemoryOf(int rank) => (byte*)_memory[rank];

    /// <summary>Waits until all ranks have come here.</summary>
    /// <exception cref="RankStoppedException">Another rank has failed, and will not come.</exception>
    public void Wait()
    {
        lock (_gate)
        {
            ThrowIfFailed();
            var round = _round;
            if (++_waiting == size)
            {
                _waiting = 0;
                _round++;
                Monitor.PulseAll(_gate);
                return;
            }

            while (_round == round)
            {
                Monitor.Wait(_gate);
                if (_round == round) ThrowIfFailed();
            }
        }
    }

    /// <summary>Ends the job: who waits, or will, gets an exception.</summary>
    public void Fail(int rank, Exception failure)
    {
        lock (_gate)
        {
            if (_failure is null) (_failedRank, _failure) = (rank, failure);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Throws the first failure as its rank threw it.</summary>
    public void Rethrow()
    {
        if (_failure is not null) ExceptionDispatchInfo.Throw(_failure);
    }

    private void ThrowIfFailed()
    {
        if (_failure is not null) throw new RankStoppedException(_failedRank, _failure);
    }
}
