namespace AdaptiveSoftmax.Corpus;

/// <summary>Words that are tokens, or the unknown one.</summary>
internal sealed class WordLevelEncoder(Dictionary<string, int> known, int unknownId) : IWordModel
{
    public void Encode(string word, List<int> ids, CancellationToken cancellationToken) => ids.Add(known.GetValueOrDefault(word, unknownId));
}
