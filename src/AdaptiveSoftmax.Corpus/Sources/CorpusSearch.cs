using System.Globalization;
using System.Text;
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
public sealed record CorpusSelection(IReadOnlyList<CorpusFile> Files, IReadOnlyList<LeftOutPath> LeftOut)
{
    /// <summary>What files are called within the folder that gave them, by their paths; a file that was given by itself has the last part of its path.</summary>
    internal IReadOnlyDictionary<string, string> Names { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// A fingerprint of which files there are: of each, in their order, its domain, what it is called within the folder that was
    /// given, and its size. Machines that have the same folders in other places get the same one.
    /// </summary>
    public string ComputeFingerprint()
    {
        // No name has a zero character.
        var text = new StringBuilder();
        foreach (var file in Files) text.Append(CultureInfo.InvariantCulture, $"{file.Domain}\0{Names.GetValueOrDefault(file.Path) ?? Path.GetFileName(file.Path)}\0{file.Length}\0");
        return Fingerprints.OfText(text.ToString());
    }
}
