using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// Tokens of o200k_base in the order of a corpus, the API documentation that comes with the .NET SDK, and the
/// vocabulary ranked by that corpus.
/// </summary>
internal sealed class LookupCorpus
{
    private readonly byte[] _text;
    private readonly int[] _ends;

    private LookupCorpus(TokenTable table, byte[] text, int[] ends)
    {
        Table = table;
        _text = text;
        _ends = ends;
    }

    /// <summary>The whole vocabulary, ranked.</summary>
    public TokenTable Table { get; }

    /// <summary>The number of tokens to look up.</summary>
    public int Count => _ends.Length;

    /// <summary>The mean length of a token in bytes.</summary>
    public double MeanLength => (double)_text.Length / Count;

    /// <summary>All tokens one after the other.</summary>
    public ReadOnlySpan<byte> Text => _text;

    /// <summary>Where each token ends in <see cref="Text"/> and the next one starts, [tokens].</summary>
    public ReadOnlySpan<int> Ends => _ends;

    /// <summary>Where a token starts in <see cref="Text"/>.</summary>
    public int StartOf(int token) => token == 0 ? 0 : _ends[token - 1];

    /// <summary>Reads, tokenises and counts the whole corpus and keeps a stretch from its middle.</summary>
    /// <param name="count">The tokens to keep.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static LookupCorpus Load(int count, CancellationToken cancellation)
    {
        var (vocabulary, stream, counts) = Documentation.Load(cancellation);
        var ids = Enumerable.Range(0, vocabulary.Count).ToArray();
        var table = TokenTable.Create(ids, counts, [.. ids.Select(id => vocabulary.GetToken(id).ToArray())]);

        count = Math.Min(count, stream.Length);
        var kept = stream.AsSpan((stream.Length - count) / 2, count);
        var text = new List<byte>();
        var ends = new int[count];
        for (var i = 0; i < count; i++)
        {
            text.AddRange(vocabulary.GetToken(kept[i]));
            ends[i] = text.Count;
        }

        return new LookupCorpus(table, [.. text], ends);
    }
}
