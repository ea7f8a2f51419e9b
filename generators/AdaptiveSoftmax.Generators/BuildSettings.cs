using Microsoft.CodeAnalysis.Diagnostics;

namespace AdaptiveSoftmax.Generators;

/// <summary>What the build says of itself.</summary>
/// <param name="ProjectFolder">The folder of the project; empty where it is not known.</param>
/// <param name="Pages">The folder or address of the diagnostics' pages, with a slash at its end; empty where it is not known.</param>
internal sealed record BuildSettings(string ProjectFolder, string Pages)
{
    public static BuildSettings Read(AnalyzerConfigOptions options) => new(ValueOf(options, "ProjectDir"), PagesOf(ValueOf(options, "AdaptiveSoftmaxPages")));

    // The address that the project is published at, or the folder of the package.
    private static string PagesOf(string folder) =>
        Descriptors.PublishedPages is { Length: > 0 } published ? published
        : Uri.TryCreate(folder, UriKind.Absolute, out var address) ? address.AbsoluteUri
        : "";

    private static string ValueOf(AnalyzerConfigOptions options, string property) => options.TryGetValue("build_property." + property, out var value) ? value : "";
}
