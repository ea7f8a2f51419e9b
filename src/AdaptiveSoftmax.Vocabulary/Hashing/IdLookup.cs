#if NET10_0_OR_GREATER
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Vocabulary;

// The type argument carries the tables, and generated code names it once.
#pragma warning disable CA1000

/// <summary>Maps a tokenizer's ids to slots and back, without any work at start-up and without allocation.</summary>
/// <typeparam name="TTables">The tables, as <see cref="IdLookupTables"/> built them.</typeparam>
public static class IdLookup<TTables>
    where TTables : struct, IIdLookup
{
    /// <summary>Finds the slot of an id.</summary>
    /// <param name="id">Any number.</param>
    /// <returns>The slot, or −1 where the vocabulary has no such id.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int FindSlot(int id)
    {
        if ((uint)id > (uint)TTables.LargestId) return -1;
        if (TTables.IdForm == IdTableForm.Identity) return id;
        var width = PackedIntegers.WidthFor(TTables.IdCount);
        if (TTables.IdForm == IdTableForm.Direct)
        {
            var found = PackedIntegers.Read(TTables.IdSlots, id, width);
            return found < TTables.IdCount ? found : -1;
        }

        var hash = KeyHash.Id(id, TTables.IdSeed);
        var pilot = Unsafe.Add(ref MemoryMarshal.GetReference(TTables.IdPilots), PerfectHash.Bucket(hash, TTables.IdBucketCount));
        var position = PerfectHash.Position(hash, pilot, TTables.IdPositionCount);
        if (position >= TTables.IdCount)
            position = PackedIntegers.Read(TTables.IdRemap, position - TTables.IdCount, PackedIntegers.WidthFor(TTables.IdCount - 1));
        var slot = PackedIntegers.Read(TTables.IdSlots, position, width);
        return IdOf(slot) == id ? slot : -1;
    }

    /// <summary>The id of a slot.</summary>
    /// <param name="slot">A slot in [0, <see cref="IIdLookup.IdCount"/>).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slot.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int GetId(int slot)
    {
        if ((uint)slot >= (uint)TTables.IdCount) ThrowNoSlot(slot);
        return TTables.IdForm == IdTableForm.Identity ? slot : IdOf(slot);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int IdOf(int slot) => PackedIntegers.Read(TTables.Ids, slot, PackedIntegers.WidthFor(TTables.LargestId));

    private static void ThrowNoSlot(int slot) =>
        throw new ArgumentOutOfRangeException(nameof(slot), slot, FormattableString.Invariant($"The slot must be in [0, {TTables.IdCount})."));
}
#endif
