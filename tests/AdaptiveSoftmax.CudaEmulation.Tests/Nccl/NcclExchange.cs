using System.Runtime.InteropServices;
using AdaptiveSoftmax.CudaEmulation.Tests.Driver;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Nccl;

/// <summary>A call of a rank: what all ranks must have in common, and where its own values are.</summary>
internal sealed record NcclCall(string Name, long Count, int Type, float Scale)
{
    public ulong Send { get; init; }

    public ulong Receive { get; init; }

    public required CudaStream Stream { get; init; }

    public long Bytes => Count * (Type == NcclExports.Float64 ? sizeof(double) : sizeof(float));

    public bool IsGather => Name == "ncclAllGather";

    /// <summary>Whether both are one call.</summary>
    public bool Fits(NcclCall other) => (Name, Count, Type, Scale) == (other.Name, other.Count, other.Type, other.Scale);

    public override string ToString() => FormattableString.Invariant($"{Name} of {Count} values of type {Type} with scale {Scale}");
}

/// <summary>A call of all ranks. Values move when the last stream has come to it.</summary>
internal sealed class NcclExchange(NcclRank[] ranks)
{
    private readonly bool[] _arrived = new bool[ranks.Length];
    private bool _hasMoved;

    public NcclCall?[] Calls { get; } = new NcclCall?[ranks.Length];

    /// <summary>Whether all ranks have made it.</summary>
    public bool IsComplete => Calls.All(call => call is not null);

    /// <summary>A call that is not rank 0's; null where all are.</summary>
    public NcclCall? Differing => Calls.FirstOrDefault(call => !call!.Fits(Calls[0]!));

    /// <summary>A stream has come here, and goes on when the others have as well.</summary>
    public void Arrive(NcclRank rank)
    {
        if (rank.HasLeft) return;
        _arrived[rank.Number] = true;
        for (var other = 0; other < ranks.Length; other++)
        {
            while (!_arrived[other])
            {
                if (!Calls[other]!.Stream.DoNext()) throw new CudaFailure(CudaStatus.LaunchFailed, "Another rank's stream does not come to the call.");
            }
        }

        if (_hasMoved) return;
        _hasMoved = true;
        if (Calls[0]!.IsGather) Gather();
        else AddUp();
    }

    private static Span<byte> Values(ulong address, long bytes) => CudaExports.Device.Memory.Span(address, bytes);

    private void Gather()
    {
        var bytes = Calls[0]!.Bytes;
        byte[][] all = [.. Calls.Select(call => Values(call!.Send, bytes).ToArray())];
        foreach (var call in Calls)
        {
            for (var rank = 0; rank < all.Length; rank++) all[rank].CopyTo(Values(call!.Receive + (ulong)(rank * bytes), bytes));
        }
    }

    // Each value in another order of the ranks, as in a ring, and on all ranks alike.
    private void AddUp()
    {
        var bytes = Calls[0]!.Bytes;
        float[][] all = [.. Calls.Select(call => MemoryMarshal.Cast<byte, float>(Values(call!.Send, bytes)).ToArray())];
        var sum = new float[all[0].Length];
        for (var i = 0; i < sum.Length; i++)
        {
            sum[i] = all[i % all.Length][i] * Calls[0]!.Scale;
            for (var step = 1; step < all.Length; step++) sum[i] += all[(i + step) % all.Length][i] * Calls[0]!.Scale;
        }

        foreach (var call in Calls) MemoryMarshal.AsBytes(sum.AsSpan()).CopyTo(Values(call!.Receive, bytes));
    }
}
