using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Remembers the ids of words. They stand in a few arrays and not in an object a word, so that the garbage collector has none to
/// walk: while text is counted it runs often, and stops all threads. For one thread.
/// </summary>
internal sealed class WordMemory
{
    // Text repeats its words so often that starting over costs little; the limits bound the memory.
    private const int MaxWords = 1 << 18;
    private const int MaxWordLength = 128;

    private int[] _buckets = new int[1 << 12];
    private Entry[] _entries = new Entry[1 << 12];
    private char[] _chars = new char[1 << 15];
    private int[] _ids = new int[1 << 12];
    private int _entryCount, _charCount, _idCount;

    /// <summary>Appends the ids of a word; false where it is not remembered.</summary>
    public bool TryAppend(ReadOnlySpan<char> word, List<int> ids)
    {
        var hash = string.GetHashCode(word);
        for (var i = _buckets[hash & (_buckets.Length - 1)] - 1; i >= 0; i = _entries[i].Next)
        {
            ref readonly var entry = ref _entries[i];
            if (entry.Hash != hash || !word.SequenceEqual(_chars.AsSpan(entry.Start, entry.Length))) continue;
            if (entry.IdCount == 1) ids.Add(entry.Ids);
            else ids.AddRange(_ids.AsSpan(entry.Ids, entry.IdCount));
            return true;
        }

        return false;
    }

    /// <summary>Remembers the ids of a word that is not remembered yet, unless it is long.</summary>
    public void Add(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        if (word.Length > MaxWordLength) return;
        if (_entryCount == MaxWords) Clear();
        if (_entryCount == _entries.Length) Grow();
        var entry = new Entry { Hash = string.GetHashCode(word), Start = _charCount, Length = word.Length, IdCount = ids.Length };
        word.CopyTo(Room(ref _chars, ref _charCount, word.Length));
        entry.Ids = ids.Length == 1 ? ids[0] : _idCount;
        if (ids.Length != 1) ids.CopyTo(Room(ref _ids, ref _idCount, ids.Length));
        _entries[_entryCount] = entry;
        Link(_entryCount++);
    }

    private void Clear()
    {
        Array.Clear(_buckets);
        (_entryCount, _charCount, _idCount) = (0, 0, 0);
    }

    private void Grow()
    {
        Array.Resize(ref _entries, _entries.Length * 2);
        _buckets = new int[_entries.Length];
        for (var i = 0; i < _entryCount; i++) Link(i);
    }

    private void Link(int index)
    {
        ref var bucket = ref _buckets[_entries[index].Hash & (_buckets.Length - 1)];
        _entries[index].Next = bucket - 1;
        bucket = index + 1;
    }

    private static Span<T> Room<T>(ref T[] array, ref int count, int length)
    {
        if (array.Length - count < length) Array.Resize(ref array, array.Length * 2);
        count += length;
        return array.AsSpan(count - length, length);
    }

    /// <summary>A word: where its characters stand, and its one id, or where its ids stand.</summary>
    [StructLayout(LayoutKind.Auto)]
    private struct Entry
    {
        public int Hash, Next, Start, Length, IdCount, Ids;
    }
}
