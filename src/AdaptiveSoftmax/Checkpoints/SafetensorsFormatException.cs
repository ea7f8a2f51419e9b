namespace AdaptiveSoftmax;

/// <summary>A safetensors file is not what the format says it must be: damaged, cut short, or of another format.</summary>
public sealed class SafetensorsFormatException : WeightsFormatException
{
    /// <inheritdoc cref="WeightsFormatException(string, string, string, string, Exception)"/>
    public SafetensorsFormatException(string fileName, string? tensorName, string problem, string remedy, Exception? innerException = null)
        : base(fileName, tensorName, problem, remedy, innerException)
    {
    }
}
