namespace AdaptiveSoftmax.Corpus;

/// <summary>How counts that others made are written.</summary>
public enum ImportFormat
{
    /// <summary>By the file: Parquet by its content, CSV and tab-separated values by their names, else <see cref="Words"/>.</summary>
    Automatic,

    /// <summary>A token a line, and behind the last white space its count, if there is one.</summary>
    Words,

    /// <summary>Values with commas between them below a line of names.</summary>
    Csv,

    /// <summary>Values with tabs between them below a line of names.</summary>
    Tsv,

    /// <summary>A table in Apache Parquet.</summary>
    Parquet,

    /// <summary>fairseq's <c>dict.txt</c>, whose four special tokens are not in it. Ids and order are fairseq's.</summary>
    Fairseq,

    /// <summary>A vocabulary of Transformer-XL: a token a line, with or without a count. Ids and order are those of the lines.</summary>
    TransformerXl,
}

/// <summary>What is read of counts that others made.</summary>
public sealed record ImportOptions
{
    /// <summary>How they are written.</summary>
    public ImportFormat Format { get; init; }

    /// <summary>The column of CSV and Parquet that holds the tokens.</summary>
    public string TokenColumn { get; init; } = "token";

    /// <summary>The column that holds their counts.</summary>
    public string CountColumn { get; init; } = "count";

    /// <summary>The column that holds the domains; null where there are none.</summary>
    public string? DomainColumn { get; init; }

    /// <summary>Which tokens make the vocabulary, for formats that do not say it: all, rare ones too, if omitted.</summary>
    public WordOptions Words { get; init; } = new();
}
