namespace AdaptiveSoftmax.Corpus;

/// <summary>Which files of the paths that a corpus is made of are read, and how.</summary>
public sealed record CorpusSearch
{
    /// <summary>How the text of the files is written.</summary>
    public CorpusFormat Format { get; init; }

    /// <summary>Which names a folder gives, with * and ?; all for plain text and *.xml for XML documentation if null.</summary>
    public string? Pattern { get; init; }

    /// <summary>Whether files of data, such as JSON and token tables, are read as the plain text that they are written in.</summary>
    public bool IsRaw { get; init; }

    /// <summary>A file that folders do not give, since it is about to be written.</summary>
    public string? Output { get; init; }
}

/// <summary>A file or folder that a corpus does without.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Reason">Why it is left out, in words that follow the path.</param>
public sealed record LeftOutPath(string Path, string Reason);

/// <summary>The files of a corpus.</summary>
/// <param name="Files">The files that are read, in the order of the paths that gave them; each is there once.</param>
/// <param name="LeftOut">What stood in the folders and is not read.</param>
public sealed record CorpusSelection(IReadOnlyList<CorpusFile> Files, IReadOnlyList<LeftOutPath> LeftOut);
