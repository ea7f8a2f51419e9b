using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A sound file that does not belong to what it was loaded into: another vocabulary, other sizes, another optimizer, or
/// tensors that are missing or left over. Nothing was changed.
/// </summary>
public sealed class CheckpointMismatchException : InvalidOperationException
{
    private const int Shown = 20;

    /// <summary>Creates the exception; the message names the file, the first differences and the remedy.</summary>
    /// <param name="fileName">The file.</param>
    /// <param name="differences">What differs, a clause each.</param>
    /// <param name="remedy">How to mend it, as a sentence.</param>
    public CheckpointMismatchException(string fileName, IReadOnlyList<string> differences, string remedy)
        : base($"{Excerpt.Line(fileName)} does not fit: {Join(differences)}. {remedy}")
    {
        FileName = fileName;
        Differences = differences;
        Remedy = remedy;
    }

    private static string Join(IReadOnlyList<string> differences) => string.Join("; ", differences.Take(Shown))
        + (differences.Count > Shown ? string.Create(CultureInfo.InvariantCulture, $"; and {differences.Count - Shown} more differences") : "");

    /// <summary>The file.</summary>
    public string FileName { get; }

    /// <summary>What differs, a clause each.</summary>
    public IReadOnlyList<string> Differences { get; }

    /// <summary>How to mend it.</summary>
    public string Remedy { get; }
}
