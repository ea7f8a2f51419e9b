using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The 64-bit hashes of tokens and ids, the same for builder and look-up on every platform.</summary>
internal static class KeyHash
{
    /// <summary>Keys up to this length are hashed in one step, from two zero-padded words.</summary>
    internal const int ShortLength = 16;

    /// <summary>Hashes a key of at most <see cref="ShortLength"/> bytes, given as two zero-padded little-endian words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Short(ulong low, ulong high, int length, ulong seed) =>
        Finish(WideMultiply.Fold(low ^ seed, high ^ ((ulong)length * Multiplier(seed))));

    /// <summary>Hashes a key longer than <see cref="ShortLength"/> bytes.</summary>
    internal static ulong Long(ReadOnlySpan<byte> key, ulong seed)
    {
        ref var start = ref MemoryMarshal.GetReference(key);
        var multiplier = Multiplier(seed);
        var state = seed;
        for (var at = 0; at < key.Length - ShortLength; at += ShortLength)
            state = WideMultiply.Fold(Word(ref start, at) ^ multiplier, Word(ref start, at + 8) ^ state);
        var low = Word(ref start, key.Length - 16);
        var high = Word(ref start, key.Length - 8);
        return Finish(WideMultiply.Fold(low ^ state, high ^ ((ulong)key.Length * multiplier)));
    }

    /// <summary>Hashes a key of any length.</summary>
    internal static ulong Compute(ReadOnlySpan<byte> key, ulong seed)
    {
        if (key.Length > ShortLength) return Long(key, seed);
        LoadShort(key, out var low, out var high);
        return Short(low, high, key.Length, seed);
    }

    /// <summary>Hashes an id.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Id(int id, ulong seed) => Finish(WideMultiply.Fold((uint)id ^ seed, Multiplier(seed)));

    /// <summary>Reads a key of at most <see cref="ShortLength"/> bytes as two zero-padded little-endian words, reading no byte outside of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void LoadShort(ReadOnlySpan<byte> key, out ulong low, out ulong high)
    {
        // Overlapping reads: the bytes that two reads share are equal, so the words are joined by an or.
        ref var start = ref MemoryMarshal.GetReference(key);
        var length = key.Length;
        high = 0;
        if (length >= 8)
        {
            low = Word(ref start, 0);
            // Shifted in two steps, since the whole shift is 64 bits for a length of 8.
            var shift = 4 * (16 - length);
            high = Word(ref start, length - 8) >> shift >> shift;
        }
        else if (length >= 4)
        {
            var last = Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, length - 4));
            low = Unsafe.ReadUnaligned<uint>(ref start) | ((ulong)last << (8 * (length - 4)));
        }
        else if (length > 0)
        {
            var middle = length >> 1;
            low = start | ((ulong)Unsafe.Add(ref start, middle) << (8 * middle)) | ((ulong)Unsafe.Add(ref start, length - 1) << (8 * (length - 1)));
        }
        else
        {
            low = 0;
        }
    }

    /// <summary>Breaks up what a product leaves of the order of consecutive keys; without it, numbers take many attempts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Finish(ulong hash) => (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93UL;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ref byte start, int offset) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset));

    /// <summary>The multiplier of a seed; the seed is a constant in a look-up, so that the compiler folds this.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Multiplier(ulong seed)
    {
        var mixed = (seed ^ (seed >> 31)) * 0xBF58476D1CE4E5B9UL;
        return (mixed ^ (mixed >> 29)) | 1;
    }

    /// <summary>The seed of an attempt to build a table: attempt 0 first, the next only where one fails.</summary>
    internal static ulong SeedOf(int attempt)
    {
        var mixed = (ulong)(attempt + 1) * 0x9E3779B97F4A7C15UL;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9UL;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBUL;
        return mixed ^ (mixed >> 31);
    }
}
