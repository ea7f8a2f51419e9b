using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

/// <summary>What to do where the name of a spec does not name one file.</summary>
internal static class SpecAdvice
{
    public const string WhereSeveral = "write its path from the project's folder, in the same case";

    public static string Of(string name, IReadOnlyCollection<string> specs)
    {
        if (!FileNames.IsSpec(name)) return "the name of a spec ends in '.softmax.json'";
        // The ending that all have in common would make any two names near.
        if (NearestName.Find(FileNames.StemOf(name), [.. specs.Select(FileNames.StemOf)]) is { } nearest)
            return $"did you mean '{FileNames.NameOf(specs.First(path => FileNames.StemOf(path) == nearest))}'?";
        return specs.Count == 0
            ? "there are none at all, so add the file to the project or list it as <AdditionalFiles Include=\"...\" />"
            : $"there are {string.Join(", ", specs.Select(path => $"'{FileNames.NameOf(path)}'").OrderBy(text => text, StringComparer.Ordinal).Take(5))}";
    }
}
