using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>A page of the repository, whose blocks of code tests compile.</summary>
/// <param name="path">The file, from the repository's root.</param>
internal sealed class MarkdownPage(string path)
{
    public static string Root { get; } = FindRoot();

    public string Text { get; } = File.ReadAllText(Path.Combine(Root, path));

    /// <summary>The first block of code in a language.</summary>
    public string Block(string language) => Regex.Match(Text, $"^```{language}\n(.*?)```", RegexOptions.Singleline | RegexOptions.Multiline) is { Success: true } block
        ? block.Groups[1].Value
        : throw new InvalidOperationException($"{path} has no block of {language}.");

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "CHANGELOG.md"))) folder = folder.Parent!;
        return folder.FullName;
    }
}
