using System.Globalization;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The tables of the look-up from a tokenizer's id to its slot and back, in their final form: constants and blobs
/// named as the members of the look-up's interface (<c>IIdLookup</c>, .NET 10). Dense ids have a direct table, sparse
/// ones a minimal perfect hash, and ids that are their own slots none at all.
/// </summary>
public sealed class IdLookupTables
{
    /// <summary>Ids are dense where the direct table has at most this many places an id.</summary>
    private const int PlacesPerDenseId = 2;

    private const int Attempts = 64;

    private readonly PerfectHashTable? _hash;

    private IdLookupTables(IdTableForm form, int count, int largest, PerfectHashTable? hash, byte[] slots, byte[] ids)
    {
        Form = form;
        Count = count;
        Largest = largest;
        _hash = hash;
        Blobs =
        [
            new TableBlob("IdPilots", hash?.Pilots ?? []),
            new TableBlob("IdRemap", hash?.Remap ?? []),
            new TableBlob("IdSlots", slots),
            new TableBlob("Ids", ids),
        ];
        Constants =
        [
            new TableConstant("global::AdaptiveSoftmax.Vocabulary.IdTableForm", "IdForm", $"global::AdaptiveSoftmax.Vocabulary.IdTableForm.{form}"),
            new TableConstant("ulong", "IdSeed", $"0x{Seed:X16}UL"),
            new TableConstant("int", "IdCount", count.ToString(CultureInfo.InvariantCulture)),
            new TableConstant("int", "LargestId", largest.ToString(CultureInfo.InvariantCulture)),
            new TableConstant("int", "IdBucketCount", BucketCount.ToString(CultureInfo.InvariantCulture)),
            new TableConstant("int", "IdPositionCount", PositionCount.ToString(CultureInfo.InvariantCulture)),
        ];
    }

    /// <summary>How ids are mapped to slots.</summary>
    public IdTableForm Form { get; }

    /// <summary>The number of ids.</summary>
    public int Count { get; }

    /// <summary>The largest id.</summary>
    public int Largest { get; }

    /// <summary>The seed of the ids' hash; 0 where there is none.</summary>
    public ulong Seed => _hash?.Seed ?? 0;

    /// <summary>The number of the hash's buckets; 0 where there is none.</summary>
    public int BucketCount => _hash?.BucketCount ?? 0;

    /// <summary>The number of the hash's positions before those past the last id are remapped; 0 where there is none.</summary>
    public int PositionCount => _hash?.PositionCount ?? 0;

    /// <summary>The bits an id that the minimal perfect hash itself takes; 0 where there is none.</summary>
    public double HashBitsPerId => _hash?.BitsPerKey ?? 0;

    /// <summary>The constants, named as the members of the look-up's interface.</summary>
    public IReadOnlyList<TableConstant> Constants { get; }

    /// <summary>The blobs, named as the members of the look-up's interface.</summary>
    public IReadOnlyList<TableBlob> Blobs { get; }

    /// <summary>Builds the tables of ids in slot order.</summary>
    /// <param name="ids">Distinct ids, none negative; the index is the slot.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">There are no ids, one is negative, or two are equal; the message says which.</exception>
    public static IdLookupTables Build(IReadOnlyList<int> ids, CancellationToken cancellation = default)
    {
        if (ids is null) throw new ArgumentNullException(nameof(ids));
        if (ids.Count == 0) throw new ArgumentException("There are no ids; a look-up holds at least one.", nameof(ids));
        var bySlot = new int[ids.Count];
        var largest = 0;
        var isIdentity = true;
        for (var slot = 0; slot < bySlot.Length; slot++)
        {
            var id = ids[slot];
            if (id < 0) throw new ArgumentException(FormattableString.Invariant($"The id of slot {slot} is {id}; ids must not be negative."), nameof(ids));
            bySlot[slot] = id;
            largest = Math.Max(largest, id);
            isIdentity &= id == slot;
        }

        if (isIdentity) return new IdLookupTables(IdTableForm.Identity, bySlot.Length, largest, null, [], []);
        var packedIds = PackedIntegers.Pack(bySlot, PackedIntegers.WidthFor(largest));
        return largest < (long)bySlot.Length * PlacesPerDenseId
            ? new IdLookupTables(IdTableForm.Direct, bySlot.Length, largest, null, WriteDirect(bySlot, largest), packedIds)
            : BuildHashed(bySlot, largest, packedIds, cancellation);
    }

    /// <summary>By id the slot, or the number of ids where there is none.</summary>
    private static byte[] WriteDirect(int[] ids, int largest)
    {
        var slots = new int[largest + 1];
        for (var id = 0; id < slots.Length; id++) slots[id] = ids.Length;
        for (var slot = 0; slot < ids.Length; slot++)
        {
            ref var place = ref slots[ids[slot]];
            if (place != ids.Length) throw new ArgumentException(EqualIds(place, slot, ids[slot]), nameof(ids));
            place = slot;
        }

        return PackedIntegers.Pack(slots, PackedIntegers.WidthFor(ids.Length));
    }

    private static IdLookupTables BuildHashed(int[] ids, int largest, byte[] packedIds, CancellationToken cancellation)
    {
        var hashes = new ulong[ids.Length];
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var seed = KeyHash.SeedOf(attempt);
            for (var slot = 0; slot < hashes.Length; slot++) hashes[slot] = KeyHash.Id(ids[slot], seed);
            if (PerfectHashBuilder.TryBuild(hashes, seed, cancellation, out var equal) is { } table)
            {
                var slots = new int[ids.Length];
                for (var slot = 0; slot < slots.Length; slot++) slots[table.Positions[slot]] = slot;
                var packedSlots = PackedIntegers.Pack(slots, PackedIntegers.WidthFor(slots.Length));
                return new IdLookupTables(IdTableForm.Hashed, ids.Length, largest, table, packedSlots, packedIds);
            }

            if (equal is var (first, second) && ids[first] == ids[second]) throw new ArgumentException(EqualIds(first, second, ids[first]), nameof(ids));
        }

        throw new ArgumentException($"None of {Attempts} seeds gives a perfect hash of the {ids.Length} ids.", nameof(ids));
    }

    private static string EqualIds(int first, int second, int id) =>
        FormattableString.Invariant($"The id {id} belongs to the slots {first} and {second}; each id may stand once.");
}
