namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>The command lines of all programs mean the same on every machine.</summary>
public sealed class CommandLineTests
{
    private static readonly string[] s_roots = ["src", "samples", "benchmarks"];

    [Fact]
    public void EveryProgram_BeginsWithTheInvariantCulture()
    {
        var programs = Sources().Where(file => Path.GetFileName(file) == "Program.cs" && !file.Contains("/content/", StringComparison.Ordinal)).ToList();
        Assert.True(programs.Count >= 6, "The programs of the repository were not found.");
        Assert.All(programs, file => Assert.Contains("\nInvariantCommandLine.UseInvariantCulture();\n", Repository.Read(file).ReplaceLineEndings("\n"), StringComparison.Ordinal));
    }

    [Fact]
    public void CommandLines_AreParsedInOnePlace()
    {
        var others = Sources().Where(file => Repository.Read(file) is var text
            && text.Contains("using System.CommandLine;", StringComparison.Ordinal)
            && (text.Contains(".Parse(arg", StringComparison.Ordinal) || text.Contains(".InvokeAsync(", StringComparison.Ordinal) || text.Contains(".Invoke()", StringComparison.Ordinal)));
        Assert.Equal(["src/Shared/InvariantCommandLine.cs"], others);
    }

    private static IEnumerable<string> Sources() => s_roots.SelectMany(root => Directory
        .EnumerateFiles(Path.Combine(Repository.Root, root), "*.cs", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'))
        .Where(file => !file.Split('/').Any(folder => folder is "bin" or "obj")));
}
