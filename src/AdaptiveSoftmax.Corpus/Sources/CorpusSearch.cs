using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Which files of the paths that a corpus is made of are read, and how.</summary>
public sealed record CorpusSearch
{
    /// <summary>
    /// How the text of the files is written. With <see cref="CorpusFormat.Text"/> and <see cref="Fields"/>, files that have
    /// fields are known by what they hold (JSON, Parquet) or how they are called (*.csv, *.tsv), and the others are plain text.
    /// </summary>
    public CorpusFormat Format { get; init; }

    /// <summary>
    /// The fields that are text: members of JSON, with dots between a member and those inside it; columns of CSV and Parquet.
    /// Those of one line or row are one document, in the order given, with a line feed between them.
    /// </summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>Which names a folder gives, with * and ?; all for plain text and *.xml for XML documentation if null.</summary>
    public string? Pattern { get; init; }

    /// <summary>Whether files of data, such as JSON and token tables, are read as the plain text that they are written in.</summary>
    public bool IsRaw { get; init; }

    /// <summary>Whether what cannot be read is left out like what holds no text, and is no error.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>A file that folders do not give, since it is about to be written.</summary>
    public string? Output { get; init; }
}

/// <summary>A file or folder that a corpus is made of.</summary>
/// <param name="Path">Where it is; <see cref="CorpusFile.StandardInput"/> for what is piped into the program.</param>
/// <param name="Domain">The domain whose counts its tokens belong to; null for none.</param>
public sealed record CorpusPath(string Path, string? Domain = null);

/// <summary>A file or folder that a corpus does without.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Reason">Why it is left out, in words that follow the path.</param>
public sealed record LeftOutPath(string Path, string Reason)
{
    /// <summary>Whether it would have been read if it could, and ends a run unless that keeps going.</summary>
    public bool IsFault { get; init; }

    /// <summary>A file or folder that is left out because of an error.</summary>
    internal static LeftOutPath FromFault(string path, CorpusException fault)
    {
        var (name, message) = (Excerpt.Line(path) + " ", fault.Message.TrimEnd('.'));
        return new LeftOutPath(path, message.StartsWith(name, StringComparison.Ordinal) ? message[name.Length..] : $"cannot be used: {message}") { IsFault = true };
    }
}

/// <summary>The files of a corpus.</summary>
/// <param name="Files">The files that are read, in the order of the paths that gave them; each is there once.</param>
/// <param name="LeftOut">What stood in the folders and is not read.</param>
public sealed record CorpusSelection(IReadOnlyList<CorpusFile> Files, IReadOnlyList<LeftOutPath> LeftOut);
