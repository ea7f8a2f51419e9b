using System.Collections.Frozen;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The ways to look a corpus's tokens up, each over the same tokens in the same order. Strings and characters are made
/// beforehand, so that no peer pays for a conversion; Latin-1 keeps tokens apart that are not valid UTF-8.
/// </summary>
internal sealed class LookupContenders
{
    private const int TokenCount = 1_000_000;

    private readonly LookupCorpus _corpus = Corpus;
    private readonly FrozenDictionary<string, int> _byString;
    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _byChars;
    private readonly FrozenDictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>> _byBytes;
    private readonly string[] _strings;
    private readonly char[] _chars;

    /// <summary>Builds every dictionary.</summary>
    public LookupContenders()
    {
        var table = Corpus.Table;
        var keys = new List<byte[]>();
        for (var slot = 0; slot < table.Count; slot++) keys.Add(table.GetToken(slot).ToArray());
        _byString = keys.Select((key, slot) => KeyValuePair.Create(Encoding.Latin1.GetString(key), slot)).ToFrozenDictionary(StringComparer.Ordinal);
        _byChars = _byString.GetAlternateLookup<ReadOnlySpan<char>>();
        _byBytes = keys.Select((key, slot) => KeyValuePair.Create(key, slot)).ToFrozenDictionary(new ByteKeyComparer()).GetAlternateLookup<ReadOnlySpan<byte>>();
        _chars = Encoding.Latin1.GetChars(Corpus.Text.ToArray());
        var shared = _byString.Keys.ToDictionary(key => key, key => new string(key.AsSpan()), StringComparer.Ordinal);
        _strings = new string[Corpus.Count];
        for (var i = 0; i < _strings.Length; i++) _strings[i] = shared[new string(_chars.AsSpan()[Corpus.Offsets[i]..Corpus.Offsets[i + 1]])];
    }

    /// <summary>The tokens that are looked up.</summary>
    public static LookupCorpus Corpus { get; } = LookupCorpus.Load(TokenCount, CancellationToken.None);

    /// <summary>The perfect hash by bytes.</summary>
    public long PerfectHash()
    {
        ReadOnlySpan<byte> text = _corpus.Text;
        var offsets = _corpus.Offsets;
        long sum = 0;
        for (var i = 0; i + 1 < offsets.Length; i++) sum += TokenLookup<LookupTables>.FindSlot(text[offsets[i]..offsets[i + 1]]);
        return sum;
    }

    /// <summary>FrozenDictionary by string.</summary>
    public long FrozenStrings()
    {
        long sum = 0;
        foreach (var token in _strings) sum += _byString[token];
        return sum;
    }

    /// <summary>FrozenDictionary of strings by a span of characters.</summary>
    public long FrozenChars()
    {
        ReadOnlySpan<char> text = _chars;
        var offsets = _corpus.Offsets;
        long sum = 0;
        for (var i = 0; i + 1 < offsets.Length; i++) sum += _byChars[text[offsets[i]..offsets[i + 1]]];
        return sum;
    }

    /// <summary>FrozenDictionary of byte arrays by a span of bytes.</summary>
    public long FrozenBytes()
    {
        ReadOnlySpan<byte> text = _corpus.Text;
        var offsets = _corpus.Offsets;
        long sum = 0;
        for (var i = 0; i + 1 < offsets.Length; i++) sum += _byBytes[text[offsets[i]..offsets[i + 1]]];
        return sum;
    }
}
