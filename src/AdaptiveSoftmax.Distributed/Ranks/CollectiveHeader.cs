using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Distributed;

/// <summary>Which call a rank makes.</summary>
internal enum CollectiveKind
{
    Barrier,
    Broadcast,
    AllGather,
    AllGatherUneven,
    AllReduceBits,
    AllReduce,
    ReduceScatter,
    ReduceGradients,
    ShareSums,
    ShareLogits,
    DecodeGathered,
    EndBatch,
    End,
}

/// <summary>What a rank says of its call before it begins.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CollectiveHeader(long Sequence, CollectiveKind Kind, int ElementSize, long Length, long Detail)
{
    /// <summary>Whether both are one call.</summary>
    public bool Fits(in CollectiveHeader other) =>
        Kind == other.Kind && Sequence == other.Sequence && ElementSize == other.ElementSize && Detail == other.Detail
        && (Length == other.Length || Kind is CollectiveKind.AllGatherUneven or CollectiveKind.ShareSums or CollectiveKind.ShareLogits or CollectiveKind.DecodeGathered or CollectiveKind.EndBatch);

    /// <summary>How many tokens a cut cluster is asked for, and a checksum of what it is asked, as one number.</summary>
    public static long DetailOf(int tokens, uint checksum) => ((long)tokens << 32) | checksum;

    /// <summary>What the rank does, as the words behind its name in a message.</summary>
    public override string ToString()
    {
        var place = FormattableString.Invariant($" as its call {Sequence + 1}");
        return Kind switch
        {
            CollectiveKind.End => FormattableString.Invariant($"ends after {Sequence} calls"),
            CollectiveKind.Barrier => "calls Barrier" + place,
            CollectiveKind.ShareSums => FormattableString.Invariant($"takes the loss of {Batch}") + place,
            CollectiveKind.ShareLogits => FormattableString.Invariant($"decodes {Batch}") + place,
            CollectiveKind.DecodeGathered => FormattableString.Invariant($"decodes vectors of its own with layer {Detail}") + place,
            CollectiveKind.EndBatch => "ends a batch" + place,
            CollectiveKind.Broadcast => FormattableString.Invariant($"calls Broadcast from rank {Detail} with {Values}") + place,
            CollectiveKind.AllReduce or CollectiveKind.ReduceScatter or CollectiveKind.ReduceGradients => FormattableString.Invariant($"calls {Kind} of {Detail} leaves with {Values}") + place,
            _ => FormattableString.Invariant($"calls {Kind} with {Values}") + place,
        };
    }

    private string Batch => FormattableString.Invariant($"{Detail >> 32} tokens (checksum {(uint)Detail:x8})");

    private string Values => FormattableString.Invariant($"{Length} values of {ElementSize} bytes");
}
