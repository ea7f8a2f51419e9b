namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// A document, or a part of one that can be tokenised by itself: pieces end where no token spans the border.
/// </summary>
/// <param name="Text">The text.</param>
/// <param name="EndsDocument">Whether the document ends here.</param>
/// <param name="BytesRead">The bytes of the file read since the piece before, for progress.</param>
public readonly record struct TextPiece(string Text, bool EndsDocument, long BytesRead);
