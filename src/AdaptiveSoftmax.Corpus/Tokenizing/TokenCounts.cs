using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>How often each token of a vocabulary occurs in a corpus.</summary>
public sealed class TokenCounts
{
    private readonly long[] _counts;

    /// <summary>Creates counts of zero.</summary>
    /// <param name="vocabulary">The tokens to count.</param>
    public TokenCounts(EncodedVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        Vocabulary = vocabulary;
        _counts = new long[vocabulary.Count];
    }

    /// <summary>The tokens that are counted.</summary>
    public EncodedVocabulary Vocabulary { get; }

    /// <summary>How often each token occurs, by id.</summary>
    public ReadOnlySpan<long> ById => _counts;

    /// <summary>The number of documents.</summary>
    public long Documents { get; private set; }

    /// <summary>The number of tokens, with one end-of-text token a document.</summary>
    public long Tokens { get; private set; }

    /// <summary>The number of different tokens that occur.</summary>
    public int DistinctTokens => _counts.Count(count => count > 0);

    /// <summary>Counts the tokens of a document and its end.</summary>
    /// <param name="ids">The document's ids.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public void AddDocument(ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
        {
            if ((uint)id >= (uint)_counts.Length)
                throw new ArgumentOutOfRangeException(nameof(ids), id, FormattableString.Invariant($"{Vocabulary.Name} has ids from 0 to {_counts.Length - 1}."));
            _counts[id]++;
        }

        if (Vocabulary.EndOfTextId >= 0) _counts[Vocabulary.EndOfTextId]++;
        Documents++;
        Tokens += ids.Length + (Vocabulary.EndOfTextId >= 0 ? 1 : 0);
    }

    /// <summary>Adds what was counted by id.</summary>
    internal void Add(Tally tally)
    {
        for (var id = 0; id < Math.Min(_counts.Length, tally.Counts.Length); id++) _counts[id] += tally.Counts[id];
        Documents += tally.Documents;
        Tokens += tally.Tokens;
    }

    /// <summary>Adds the counts of another corpus over the same vocabulary.</summary>
    /// <param name="other">The counts to add.</param>
    /// <exception cref="ArgumentException">The vocabularies differ.</exception>
    /// <exception cref="OverflowException">There would be more tokens than 63 bits count; nothing was added.</exception>
    public void Add(TokenCounts other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Vocabulary.Name != Vocabulary.Name || other.Vocabulary.Count != Vocabulary.Count)
            throw new ArgumentException($"Counts of {other.Vocabulary.Name} cannot be added to counts of {Vocabulary.Name}; count both with one encoding.", nameof(other));
        // Of all tokens there are the most, so the sum that would not fit is this one.
        var tokens = checked(Tokens + other.Tokens);
        for (var id = 0; id < _counts.Length; id++) _counts[id] += other._counts[id];
        Documents += other.Documents;
        Tokens = tokens;
    }

    /// <summary>The counts as those of a domain, to keep beside the token table of a whole corpus.</summary>
    /// <param name="name">The domain.</param>
    /// <exception cref="ArgumentException">The name is not one of a domain.</exception>
    public DomainCounts ToDomain(string name) => DomainCounts.Create(name, Documents, _counts.Select((count, id) => KeyValuePair.Create(id, count)));

    /// <summary>The token table: every token of the vocabulary by descending count, those that do not occur with 0.</summary>
    public TokenTable ToTable()
    {
        var ids = new int[_counts.Length];
        var tokens = new byte[_counts.Length][];
        for (var id = 0; id < ids.Length; id++)
        {
            ids[id] = id;
            tokens[id] = Vocabulary.GetToken(id).ToArray();
        }

        return TokenTable.Create(ids, _counts, tokens);
    }
}
