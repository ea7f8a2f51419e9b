using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Finds the files of a corpus.</summary>
public static class CorpusFiles
{
    private const int NamedInMessage = 5;

    /// <summary>
    /// The files that paths name, in the order of the paths; the files of a folder and of those below it in ordinal order
    /// of their relative paths. Links are followed, and each file and folder is taken once, by whatever names it is found.
    /// Hidden files are left out of folders without a word; files of data (JSON, token tables, specs), empty ones, pipes,
    /// devices and links to nothing with one. A folder of <see cref="CorpusFormat.XmlDoc"/> gives only its XML
    /// documentation, whatever other XML stands there. Where fields are named, JSON, CSV and Parquet are read as what they are.
    /// </summary>
    /// <param name="paths">Files and folders.</param>
    /// <param name="search">Which files are read, and how; all plain text if omitted.</param>
    /// <exception cref="CorpusException">A path does not exist, cannot be read, or is not what the format says, or there is no file.</exception>
    public static CorpusSelection Find(IEnumerable<string> paths, CorpusSearch? search = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return Find(paths.Select(path => new CorpusPath(path)), search);
    }

    /// <inheritdoc cref="Find(IEnumerable{string}, CorpusSearch?)"/>
    public static CorpusSelection Find(IEnumerable<CorpusPath> paths, CorpusSearch? search = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        search ??= new CorpusSearch();
        var walk = new CorpusWalk(search);
        foreach (var path in paths) walk.Add(path);
        if (walk.Files.Count == 0) throw NoFile(walk, search);
        return new CorpusSelection(walk.Files, walk.LeftOut) { Names = walk.Names };
    }

    private static CorpusException NoFile(CorpusWalk walk, CorpusSearch search)
    {
        var message = new StringBuilder($"There is no file to read: the paths hold none named {walk.Pattern}{(search.Format == CorpusFormat.XmlDoc ? " that is XML documentation" : "")}");
        foreach (var (path, reason) in walk.LeftOut.Take(NamedInMessage)) message.Append(CultureInfo.InvariantCulture, $"; {Excerpt.Name(path)} {reason}");
        if (walk.LeftOut.Count > NamedInMessage) message.Append(CultureInfo.InvariantCulture, $"; {walk.LeftOut.Count - NamedInMessage} more are left out");
        return new CorpusException(message.Append(". Give other paths or another pattern.").ToString());
    }
}
