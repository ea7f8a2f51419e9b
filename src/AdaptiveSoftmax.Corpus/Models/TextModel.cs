namespace AdaptiveSoftmax.Corpus;

/// <summary>How text becomes ids. Immutable, and shared by the encoders of all threads.</summary>
internal abstract class TextModel
{
    /// <summary>The tokens.</summary>
    public abstract EncodedVocabulary Vocabulary { get; }

    /// <summary>Where long texts may be cut.</summary>
    public abstract TextBorder Border { get; }

    /// <summary>How text is split or normalised, in a few words.</summary>
    public abstract string Description { get; }

    /// <summary>An encoder for one thread.</summary>
    public abstract TextEncoder CreateEncoder();
}
