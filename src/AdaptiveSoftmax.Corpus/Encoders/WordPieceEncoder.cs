namespace AdaptiveSoftmax.Corpus;

/// <summary>Encodes words by the longest token that they begin with, then the longest that follows, and so on.</summary>
/// <param name="ids">The tokens; those that do not begin a word with <paramref name="prefix"/>.</param>
/// <param name="unknownId">The token of words that no tokens make up, or that are too long.</param>
/// <param name="prefix">What tokens begin with that do not begin a word.</param>
/// <param name="longestWord">The characters that a word has at most.</param>
internal sealed class WordPieceEncoder(Dictionary<string, int> ids, int unknownId, string prefix, int longestWord) : IWordModel
{
    private readonly int _longestToken = ids.Keys.Max(token => token.Length);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids = ids.GetAlternateLookup<ReadOnlySpan<char>>();

    public void Encode(string word, List<int> ids, CancellationToken cancellationToken)
    {
        var first = ids.Count;
        var length = word.EnumerateRunes().Count();
        if (length > longestWord)
        {
            ids.Add(unknownId);
            return;
        }

        Span<char> piece = new char[prefix.Length + word.Length];
        prefix.CopyTo(piece);
        for (var start = 0; start < word.Length;)
        {
            word.AsSpan(start).CopyTo(piece[prefix.Length..]);
            var candidate = start == 0 ? word.AsSpan() : piece[..(prefix.Length + word.Length - start)];
            var end = Math.Min(candidate.Length, _longestToken);
            var least = start == 0 ? 1 : prefix.Length + 1;
            int id;
            while (!_ids.TryGetValue(candidate[..end], out id))
            {
                if (--end < least) break;
            }

            if (end < least)
            {
                ids.RemoveRange(first, ids.Count - first);
                ids.Add(unknownId);
                return;
            }

            ids.Add(id);
            start += start == 0 ? end : end - prefix.Length;
        }
    }
}
