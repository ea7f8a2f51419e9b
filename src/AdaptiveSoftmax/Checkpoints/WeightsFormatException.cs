using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>A file of weights is not what its format says it must be: damaged, cut short, or of another format.</summary>
public class WeightsFormatException : IOException
{
    /// <summary>Creates the exception; the message names file, tensor, fault and remedy.</summary>
    /// <param name="fileName">The file.</param>
    /// <param name="tensorName">The tensor at fault, or null where the fault is the file's.</param>
    /// <param name="problem">What is wrong, as a sentence.</param>
    /// <param name="remedy">How to mend it, as a sentence.</param>
    /// <param name="innerException">What was caught on the way.</param>
    public WeightsFormatException(string fileName, string? tensorName, string problem, string remedy, Exception? innerException = null)
        : base(tensorName is null ? $"{Excerpt.Line(fileName)}: {problem} {remedy}" : $"{Excerpt.Line(fileName)}: tensor '{Excerpt.Name(tensorName)}': {problem} {remedy}", innerException)
    {
        FileName = fileName;
        TensorName = tensorName;
        Remedy = remedy;
    }

    /// <summary>The file.</summary>
    public string FileName { get; }

    /// <summary>The tensor at fault, or null where the fault is the file's.</summary>
    public string? TensorName { get; }

    /// <summary>How to mend it.</summary>
    public string Remedy { get; }
}
