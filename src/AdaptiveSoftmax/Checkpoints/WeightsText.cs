using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>How messages write what a file of weights says.</summary>
internal static class WeightsText
{
    /// <summary>A shape in brackets, cut where it has very many dimensions.</summary>
    public static string Shape(IReadOnlyList<long> shape) =>
        $"[{Excerpt.List(shape, shape.Count, size => size.ToString(CultureInfo.InvariantCulture))}]";
}
