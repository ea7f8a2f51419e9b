using System.Globalization;

namespace ServerSample;

/// <summary>What reports call the clusters; the library's own metrics use the same names.</summary>
internal static class ClusterNames
{
    /// <param name="index">0 for the head's shortlist, i + 1 for tail i.</param>
    public static string Of(int index) => index == 0 ? "head" : string.Create(CultureInfo.InvariantCulture, $"tail{index - 1}");
}
