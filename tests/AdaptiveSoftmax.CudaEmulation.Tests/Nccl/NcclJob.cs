using AdaptiveSoftmax.CudaEmulation.Tests.Driver;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Nccl;

/// <summary>A communicator: a rank of a job, in the primary context of its device.</summary>
internal sealed class NcclRank(NcclJob job, int number, CudaContext context)
{
    public NcclJob Job { get; } = job;

    public int Number { get; } = number;

    public CudaContext Context { get; } = context;

    /// <summary>Scales of sums by the number of the operation.</summary>
    public Dictionary<int, float> Operations { get; } = [];

    public int NextOperation { get; set; } = 100;

    /// <summary>Its calls so far.</summary>
    public int Calls { get; set; }

    /// <summary>Whether it has left.</summary>
    public bool HasLeft { get; set; }
}

/// <summary>The ranks of an id, and where their calls meet. Used by one thread at a time, as the device is.</summary>
internal sealed class NcclJob
{
    private readonly List<NcclExchange> _exchanges = [];
    private NcclRank?[] _ranks = [];

    /// <summary>What went wrong between ranks; each of them is told.</summary>
    public NcclFailure? Failure { get; private set; }

    public int Size => _ranks.Length;

    /// <summary>Joins, and waits for the others.</summary>
    public void Join(NcclRank rank, int size)
    {
        if (_ranks.Length == 0) _ranks = new NcclRank?[size];
        if (_ranks.Length != size) Fail(NcclStatus.InvalidArgument, $"One rank says {size} ranks and another {_ranks.Length}.");
        else if (_ranks[rank.Number] is not null) Fail(NcclStatus.InvalidArgument, $"There are two ranks {rank.Number}.");
        else if (_ranks.Any(other => other?.Context.Device == rank.Context.Device)) Fail(NcclStatus.InvalidUsage, $"Two ranks have the device {rank.Context.Device}.");
        else _ranks[rank.Number] = rank;
        Monitor.PulseAll(CudaExports.Device);
        while (_ranks.Any(other => other is null))
        {
            if (Failure is { } failure) throw failure;
            Monitor.Wait(CudaExports.Device);
        }
    }

    /// <summary>Makes a call, which returns at once.</summary>
    public void Begin(NcclRank rank, NcclCall call)
    {
        while (_exchanges.Count <= rank.Calls) _exchanges.Add(new NcclExchange([.. _ranks.Select(one => one!)]));
        var exchange = _exchanges[rank.Calls++];
        exchange.Calls[rank.Number] = call;
        if (exchange.IsComplete && exchange.Differing is { } differing)
            Fail(NcclStatus.InvalidUsage, $"As call {rank.Calls} one rank makes {differing}, and rank 0 {exchange.Calls[0]}.");
        call.Stream.Add(() => exchange.Arrive(rank), () => rank.HasLeft || (exchange.IsComplete && Failure is null));
    }

    /// <summary>What a rank cannot see from the results of its calls. NCCL may wait where this says that another rank has left.</summary>
    public NcclFailure? Find(NcclRank rank)
    {
        if (Failure is { } failure) return failure;
        return rank.Calls > 0 && !_exchanges[rank.Calls - 1].IsComplete && _ranks.Any(other => other!.HasLeft)
            ? new NcclFailure(NcclStatus.RemoteError, "Another rank has left.")
            : null;
    }

    /// <summary>Tells all ranks of what has gone wrong, the first time.</summary>
    public void Fail(NcclStatus status, string message)
    {
        Failure ??= new NcclFailure(status, message);
        Monitor.PulseAll(CudaExports.Device);
    }
}
