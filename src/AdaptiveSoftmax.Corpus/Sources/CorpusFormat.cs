namespace AdaptiveSoftmax.Corpus;

/// <summary>How the text of a corpus file is written. What is compressed with gzip or zstd is read like what is not.</summary>
public enum CorpusFormat
{
    /// <summary>Plain text, UTF-8 or with a byte order mark. A file is one document.</summary>
    Text,

    /// <summary>The XML documentation that the .NET compilers write. A documented member is one document.</summary>
    XmlDoc,

    /// <summary>One JSON value a line. The fields of a line are one document.</summary>
    JsonLines,

    /// <summary>Values with commas between them (RFC 4180) below a line of names. The fields of a row are one document.</summary>
    Csv,

    /// <summary>Values with tabs between them below a line of names. The fields of a row are one document.</summary>
    Tsv,

    /// <summary>A table in Apache Parquet. The fields of a row are one document.</summary>
    Parquet,
}
