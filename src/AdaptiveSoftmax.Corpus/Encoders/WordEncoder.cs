namespace AdaptiveSoftmax.Corpus;

/// <summary>Words that threads number in the order in which they meet them, which is another one in each run.</summary>
internal sealed class WordNumbers
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);

    /// <summary>The words by number. Not while others still count.</summary>
    public string[] ToArray()
    {
        var words = new string[_numbers.Count];
        foreach (var (word, number) in _numbers) words[number] = word;
        return words;
    }

    public int Find(string word)
    {
        lock (_lock)
        {
            if (!_numbers.TryGetValue(word, out var number)) _numbers.Add(word, number = _numbers.Count);
            return number;
        }
    }
}

/// <summary>Takes text apart at white space, and numbers the words.</summary>
internal sealed class WordEncoder(WordNumbers numbers, bool isLowerCase) : TextEncoder
{
    private const int WordsBetweenChecks = 1 << 12;

    private readonly Dictionary<string, int> _known = new(StringComparer.Ordinal);

    public override void Encode(string text, bool startsDocument, List<int> ids, CancellationToken cancellationToken)
    {
        var lookup = _known.GetAlternateLookup<ReadOnlySpan<char>>();
        var words = 0;
        for (var position = 0; position < text.Length;)
        {
            if (char.IsWhiteSpace(text[position]))
            {
                position++;
                continue;
            }

            if (words++ % WordsBetweenChecks == 0) cancellationToken.ThrowIfCancellationRequested();
            var start = position;
            while (position < text.Length && !char.IsWhiteSpace(text[position])) position++;
            var word = text.AsSpan(start, position - start);
            if (!lookup.TryGetValue(word, out var number))
            {
                number = numbers.Find(isLowerCase ? word.ToString().ToLowerInvariant() : word.ToString());
                lookup[word] = number;
            }

            ids.Add(number);
        }
    }
}
