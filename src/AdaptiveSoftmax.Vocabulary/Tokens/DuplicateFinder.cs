using System.Buffers.Binary;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Finds what stands twice, in slot order, with one open-addressing table of hashes: the same answer for the same
/// tokens on every run and platform.
/// </summary>
internal static class DuplicateFinder
{
    /// <summary>The slots whose id an earlier slot has too, at most <paramref name="limit"/> of them.</summary>
    public static List<(int Slot, int Earlier)> FindIds(ReadOnlySpan<int> ids, int limit)
    {
        var found = new List<(int, int)>();
        var entries = CreateEntries(ids.Length, out var mask);
        for (var slot = 0; slot < ids.Length; slot++)
        {
            var hash = Mix((uint)ids[slot]);
            var earlier = -1;
            var place = (int)hash & mask;
            for (; entries[place] != 0; place = (place + 1) & mask)
            {
                earlier = (int)(uint)entries[place] - 1;
                if (ids[earlier] == ids[slot]) break;
                earlier = -1;
            }

            if (!Store(entries, place, hash, slot, earlier, found, limit)) break;
        }

        return found;
    }

    /// <summary>The slots whose bytes an earlier slot has too, at most <paramref name="limit"/> of them.</summary>
    public static List<(int Slot, int Earlier)> FindTokens(ReadOnlySpan<byte> bytes, ReadOnlySpan<int> offsets, int limit)
    {
        var found = new List<(int, int)>();
        var count = offsets.Length - 1;
        var entries = CreateEntries(count, out var mask);
        for (var slot = 0; slot < count; slot++)
        {
            var token = bytes.Slice(offsets[slot], offsets[slot + 1] - offsets[slot]);
            var hash = Hash(token);
            var earlier = -1;
            var place = (int)hash & mask;
            for (; entries[place] != 0; place = (place + 1) & mask)
            {
                // The upper half of an entry is the hash's upper half, which spares nearly all comparisons of bytes.
                if ((uint)(entries[place] >> 32) != (uint)(hash >> 32)) continue;
                earlier = (int)(uint)entries[place] - 1;
                if (token.SequenceEqual(bytes.Slice(offsets[earlier], offsets[earlier + 1] - offsets[earlier]))) break;
                earlier = -1;
            }

            if (!Store(entries, place, hash, slot, earlier, found, limit)) break;
        }

        return found;
    }

    private static ulong[] CreateEntries(int count, out int mask)
    {
        var size = 16;
        while (size < 2L * count && size < 1 << 30) size <<= 1;
        mask = size - 1;
        return new ulong[size];
    }

    private static bool Store(ulong[] entries, int place, ulong hash, int slot, int earlier, List<(int, int)> found, int limit)
    {
        if (earlier < 0)
            entries[place] = (hash & 0xFFFFFFFF00000000) | (uint)(slot + 1);
        else
            found.Add((slot, earlier));
        return found.Count < limit;
    }

    private static ulong Hash(ReadOnlySpan<byte> token)
    {
        var hash = Mix((ulong)token.Length);
        while (token.Length >= 8)
        {
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(token));
            token = token.Slice(8);
        }

        var rest = 0UL;
        for (var i = 0; i < token.Length; i++) rest |= (ulong)token[i] << (8 * i);
        return Mix(hash ^ rest);
    }

    private static ulong Mix(ulong value)
    {
        unchecked
        {
            value = (value + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
            value = (value ^ (value >> 29)) * 0x94D049BB133111EB;
            return value ^ (value >> 32);
        }
    }
}
