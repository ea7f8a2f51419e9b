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
    private const int TokenCount = 4_000_000;

    /// <summary>Tokens that one call looks up: few, so that the compiler soon replaces the method by its final form.</summary>
    private const int ChunkSize = 1 << 15;

    private readonly LookupCorpus _corpus = Corpus;
    private readonly FrozenDictionary<string, int> _byString;
    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _byChars;
    private readonly FrozenDictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>> _byBytes;
    private readonly string[] _strings;
    private readonly char[] _chars;

    /// <summary>Builds every dictionary.</summary>
    public LookupContenders()
    {
        var table = _corpus.Table;
        var keys = new List<byte[]>();
        for (var slot = 0; slot < table.Count; slot++) keys.Add(table.GetToken(slot).ToArray());
        _byString = keys.Select((key, slot) => KeyValuePair.Create(Encoding.Latin1.GetString(key), slot)).ToFrozenDictionary(StringComparer.Ordinal);
        _byChars = _byString.GetAlternateLookup<ReadOnlySpan<char>>();
        _byBytes = keys.Select((key, slot) => KeyValuePair.Create(key, slot)).ToFrozenDictionary(new ByteKeyComparer()).GetAlternateLookup<ReadOnlySpan<byte>>();
        _chars = Encoding.Latin1.GetChars(_corpus.Text.ToArray());

        // One string a distinct token, as a tokenizer that returns strings would hand out.
        var strings = new Dictionary<string, string>(StringComparer.Ordinal);
        var stringsByText = strings.GetAlternateLookup<ReadOnlySpan<char>>();
        _strings = new string[_corpus.Count];
        for (int i = 0, start = 0; i < _strings.Length; start = _corpus.Ends[i++])
        {
            var text = _chars.AsSpan()[start.._corpus.Ends[i]];
            if (!stringsByText.TryGetValue(text, out var token)) strings.Add(token = text.ToString(), token);
            _strings[i] = token;
        }
    }

    /// <summary>The tokens that are looked up.</summary>
    public static LookupCorpus Corpus { get; } = LookupCorpus.Load(TokenCount, CancellationToken.None);

    /// <summary>The perfect hash by bytes.</summary>
    public long PerfectHash() => SumOfChunks(chunk =>
    {
        ReadOnlySpan<byte> text = _corpus.Text;
        var start = _corpus.StartOf(chunk.Start.Value);
        long sum = 0;
        foreach (var end in _corpus.Ends[chunk])
        {
            sum += TokenLookup<LookupTables>.FindSlot(text[start..end]);
            start = end;
        }

        return sum;
    });

    /// <summary>FrozenDictionary by string.</summary>
    public long FrozenStrings() => SumOfChunks(chunk =>
    {
        long sum = 0;
        foreach (var token in _strings.AsSpan(chunk)) sum += _byString[token];
        return sum;
    });

    /// <summary>FrozenDictionary of strings by a span of characters.</summary>
    public long FrozenChars() => SumOfChunks(chunk =>
    {
        ReadOnlySpan<char> text = _chars;
        var start = _corpus.StartOf(chunk.Start.Value);
        var byChars = _byChars;
        long sum = 0;
        foreach (var end in _corpus.Ends[chunk])
        {
            sum += byChars[text[start..end]];
            start = end;
        }

        return sum;
    });

    /// <summary>FrozenDictionary of byte arrays by a span of bytes.</summary>
    public long FrozenBytes() => SumOfChunks(chunk =>
    {
        ReadOnlySpan<byte> text = _corpus.Text;
        var start = _corpus.StartOf(chunk.Start.Value);
        var byBytes = _byBytes;
        long sum = 0;
        foreach (var end in _corpus.Ends[chunk])
        {
            sum += byBytes[text[start..end]];
            start = end;
        }

        return sum;
    });

    private long SumOfChunks(Func<Range, long> sumOfChunk)
    {
        long sum = 0;
        for (var start = 0; start < _corpus.Count; start += ChunkSize)
            sum += sumOfChunk(start..Math.Min(start + ChunkSize, _corpus.Count));
        return sum;
    }
}
