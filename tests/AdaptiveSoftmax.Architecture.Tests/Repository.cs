using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>The sources of the repository, as they are on the disk.</summary>
internal static class Repository
{
    private static readonly string[] s_roots = ["src", "generators", "samples"];

    public static string Root { get; } = FindRoot();

    /// <summary>The projects whose folders are floors, as paths below the root: <c>src/AdaptiveSoftmax</c>.</summary>
    public static IReadOnlyList<string> Projects { get; } =
    [
        .. s_roots
            .SelectMany(root => Directory.EnumerateFiles(Path.Combine(Root, root), "*.csproj", SearchOption.AllDirectories))
            .Select(file => Relative(Path.GetDirectoryName(file)!))
            .Where(project => !project.Split('/').Any(IsForeign) && SourceFiles(project).Count > 0)
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The C# files of a project, without what a build wrote and what templates hold, as paths below the root.</summary>
    public static IReadOnlyList<string> SourceFiles(string project) =>
    [
        .. Directory.EnumerateFiles(Path.Combine(Root, project), "*.cs", SearchOption.AllDirectories)
            .Select(Relative)
            .Where(file => !file.Split('/').Any(IsForeign))
            .Order(StringComparer.Ordinal),
    ];

    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    private static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static bool IsForeign(string folder) => folder is "bin" or "obj" or "content";

    private static string FindRoot([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", ".."));
}
