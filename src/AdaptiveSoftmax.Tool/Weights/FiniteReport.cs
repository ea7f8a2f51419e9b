using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>Which tensors of a file hold NaN or infinities, and how many: a training that went wrong is seen before it is loaded.</summary>
internal static class FiniteReport
{
    /// <summary>How many values of a file are read without being asked for.</summary>
    public const long DefaultLimit = 1L << 30;

    private const int MaxShown = 20;

    /// <summary>Reads the floating-point tensors of a file, and writes what is not finite in them.</summary>
    /// <param name="output">Where to write.</param>
    /// <param name="file">The file.</param>
    /// <param name="limit">The most values to read; tensors beyond it are counted as not read.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    public static void Write(TextWriter output, WeightsFile file, long limit, CancellationToken cancellationToken)
    {
        var (found, skipped, read) = (0, 0, 0);
        foreach (var tensor in file.Tensors)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (FloatConversion.GetSize(tensor.Type) == 0 || tensor.Count == 0) continue;
            if (tensor.Count > limit)
            {
                skipped++;
                continue;
            }

            limit -= tensor.Count;
            read++;
            if (Describe(file, tensor) is { } fault && ++found <= MaxShown) output.WriteLine($"Not finite: '{Excerpt.Name(tensor.Name)}' {fault}.");
        }

        if (found > MaxShown) output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Not finite: {found - MaxShown:n0} more tensors."));
        if (found == 0 && skipped == 0) output.WriteLine(read > 0 ? "All floating-point values are finite." : "There are no floating-point values.");
        if (skipped > 0) output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The values of {skipped:n0} tensors were not read, for they are many; --values reads all."));
    }

    private static string? Describe(WeightsFile file, WeightsTensor tensor)
    {
        try
        {
            var (nan, infinite) = file.CountNotFinite(tensor);
            return nan + infinite == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"holds {nan:n0} NaN and {infinite:n0} infinite of {tensor.Count:n0} values");
        }
        catch (WeightsFormatException exception) when (tensor.Type == SafetensorsTypes.Float64 && exception.TensorName == tensor.Name)
        {
            return "holds a value beyond float32";
        }
    }
}
