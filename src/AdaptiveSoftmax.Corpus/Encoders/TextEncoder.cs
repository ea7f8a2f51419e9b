namespace AdaptiveSoftmax.Corpus;

/// <summary>Encodes text on one thread, whose memory of what it has met it keeps.</summary>
internal abstract class TextEncoder
{
    /// <summary>Appends the ids of a text.</summary>
    /// <param name="text">A document, or a piece of one that ends at a border.</param>
    /// <param name="startsDocument">Whether a document begins with it.</param>
    /// <param name="ids">Where the ids go.</param>
    /// <param name="cancellationToken">Stops within milliseconds.</param>
    public abstract void Encode(string text, bool startsDocument, List<int> ids, CancellationToken cancellationToken);

    /// <summary>Yields the ids of a whole text in several parts.</summary>
    public virtual IEnumerable<ReadOnlyMemory<int>> EncodeWords(string text, CancellationToken cancellationToken)
    {
        var ids = new List<int>();
        Encode(text, startsDocument: true, ids, cancellationToken);
        yield return ids.ToArray();
    }
}
