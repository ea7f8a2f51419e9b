namespace AdaptiveSoftmax.Corpus;

/// <summary>How the text of a corpus file is written.</summary>
public enum CorpusFormat
{
    /// <summary>Plain text, UTF-8 or with a byte order mark. A file is one document.</summary>
    Text,

    /// <summary>The XML documentation that the .NET compilers write. A documented member is one document.</summary>
    XmlDoc,
}
