using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
#if NET10_0_OR_GREATER
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
#endif

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The 64-bit hashes of tokens and ids, the same for builder and look-up on every platform.</summary>
internal static class KeyHash
{
    /// <summary>Keys up to this length are hashed in one step, from two words.</summary>
    internal const int ShortLength = 15;

    private const ulong FinishMultiplier = 0xD6E8FEB86659FD93UL;

    /// <summary>Hashes a key of any length.</summary>
    internal static ulong Compute(ReadOnlySpan<byte> key, ulong seed)
    {
        if (key.Length > ShortLength) return Long(key, seed);
        LoadShort(key, out var low, out var high);
        return Short(low, high, seed);
    }

    /// <summary>Hashes a key of at most <see cref="ShortLength"/> bytes, which comes as two words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Short(ulong low, ulong high, ulong seed) => Finish((low * Multiplier(seed)) + (high * Multiplier(~seed)));

    /// <summary>Breaks up what a linear hash leaves of the order of consecutive keys; without it, numbers take many attempts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Finish(ulong sum) => (sum ^ (sum >> 32)) * FinishMultiplier;

    /// <summary>Hashes an id.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Id(int id, ulong seed) => Finish((uint)id * Multiplier(seed));

    /// <summary>
    /// Reads a key of at most <see cref="ShortLength"/> bytes as two little-endian words: the bytes, zeros, and in the
    /// last byte the length. Different keys give different words. No byte outside of the key is read.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void LoadShort(ReadOnlySpan<byte> key, out ulong low, out ulong high)
    {
        // Overlapping reads: the bytes that two reads share are equal, so the words are joined by an or.
        ref var start = ref MemoryMarshal.GetReference(key);
        var length = key.Length;
        high = (ulong)length << 56;
        if (length >= 8)
        {
            low = Word(ref start, 0);
            // Shifted in two steps, since the whole shift is 64 bits for a length of 8.
            var shift = 4 * (16 - length);
            high |= Word(ref start, length - 8) >> shift >> shift;
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

#if NET10_0_OR_GREATER
    /// <summary>Whether <see cref="LoadShortVector"/> works here.</summary>
    internal static bool HasVectorLoad
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Avx512BW.VL.IsSupported;
    }

    /// <summary>What <see cref="LoadShort"/> reads, without a branch: a masked load touches no byte outside of the key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe Vector128<ulong> LoadShortVector(ReadOnlySpan<byte> key)
    {
        fixed (byte* start = &MemoryMarshal.GetReference(key))
        {
            var length = Vector128.Create((byte)key.Length);
            var inside = Vector128.LessThan(Vector128<byte>.Indices, length);
            var outside = length & Vector128.Create(0, 0xFFUL << 56).AsByte();
            return Avx512BW.VL.MaskLoad(start, inside, outside).AsUInt64();
        }
    }
#endif

    /// <summary>The seed of an attempt to build a table: attempt 0 first, the next only where one fails.</summary>
    internal static ulong SeedOf(int attempt) => Mix((ulong)(attempt + 1) * 0x9E3779B97F4A7C15UL);

    private static ulong Long(ReadOnlySpan<byte> key, ulong seed)
    {
        ref var start = ref MemoryMarshal.GetReference(key);
        var state = (ulong)key.Length * Multiplier(seed);
        for (var at = 0; at < key.Length - 16; at += 16) state = Absorb(state, Word(ref start, at), Word(ref start, at + 8), seed);
        return Absorb(state, Word(ref start, key.Length - 16), Word(ref start, key.Length - 8), seed);
    }

    private static ulong Absorb(ulong state, ulong low, ulong high, ulong seed)
    {
        // Turned, for the highest bits of two words would cancel in a plain sum of products whatever the multipliers are.
        var product = high * Multiplier(~seed);
        return Finish(((low ^ state) * Multiplier(seed)) + ((product << 32) | (product >> 32)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ref byte start, int offset) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset));

    /// <summary>The odd multiplier of a seed; the seed is a constant in a look-up, so that the compiler folds this.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Multiplier(ulong seed) => Mix(seed) | 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong value)
    {
        var first = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9UL;
        var second = (first ^ (first >> 27)) * 0x94D049BB133111EBUL;
        return second ^ (second >> 31);
    }
}
