namespace AdaptiveSoftmax.Corpus;

/// <summary>Where a long text may be cut so that its pieces give the same tokens as the whole.</summary>
internal enum TextBorder
{
    /// <summary>Behind a line's end, else before a space between letters: where the known splits into words end a word.</summary>
    Lines,

    /// <summary>Before a space or a line's end between visible characters, which begins a word.</summary>
    Words,

    /// <summary>Nowhere that is known.</summary>
    None,
}
