namespace AdaptiveSoftmax.Corpus;

/// <summary>What an id of an <see cref="EncodedVocabulary"/> stands for.</summary>
public enum TokenKind
{
    /// <summary>Bytes that text is made of.</summary>
    Ordinary,

    /// <summary>A mark that no text contains by itself, such as the end of a document.</summary>
    Special,

    /// <summary>Nothing yet: a gap in the encoding's ids.</summary>
    Reserved,
}
