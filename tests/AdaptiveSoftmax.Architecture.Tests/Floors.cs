namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>The folders of one project from the top to the ground: a file uses its own floor and those below it.</summary>
/// <param name="Names">The folders; <see cref="Top"/> are the files that stand in no folder.</param>
internal sealed record Floors(IReadOnlyList<string> Names)
{
    public const string Top = "(top)";

    /// <summary>The floor that a file stands on.</summary>
    /// <param name="file">The file, below the project.</param>
    public static string Of(string file) => file.IndexOf('/') is var end and >= 0 ? file[..end] : Top;

    /// <summary>The floors of each project, as the block <c>floors</c> of a page lists them.</summary>
    /// <param name="page">The page; a project stands at the start of a line, its floors below it, each indented and before its description.</param>
    public static Dictionary<string, Floors> Read(string page)
    {
        const string start = "```floors\n";
        var text = page.ReplaceLineEndings("\n");
        var first = text.IndexOf(start, StringComparison.Ordinal) + start.Length;
        var projects = new Dictionary<string, List<string>>();
        var names = new List<string>();
        foreach (var line in text[first..text.IndexOf("```", first, StringComparison.Ordinal)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith(' ')) names.Add(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[0]);
            else projects.Add(line.Trim(), names = []);
        }

        return projects.ToDictionary(project => project.Key, project => new Floors(project.Value));
    }

    /// <summary>A sentence for each file that uses a floor above its own, or stands on a floor that is not listed.</summary>
    /// <param name="project">The project, below the repository.</param>
    /// <param name="sources">Its files: path below the project, text.</param>
    public IReadOnlyList<string> Faults(string project, IReadOnlyDictionary<string, string> sources)
    {
        var strangers = sources.Keys.Where(file => Height(file) < 0).ToList();
        if (strangers.Count > 0)
            return [.. strangers.Select(file => $"{project}/{file}: '{Of(file)}' is no floor of {project}; move the file to one of {string.Join(", ", Names)}, or add the floor to docs/architecture.md.")];

        return
        [
            .. SourceUses.Find(sources)
                .GroupBy(use => use.File)
                .Where(uses => uses.Any(use => Height(use.Home) > Height(use.File)))
                .Select(uses => Describe(project, [.. uses]))
                .Order(StringComparer.Ordinal),
        ];
    }

    private string Describe(string project, IReadOnlyList<SourceUse> uses)
    {
        var file = uses[0].File;
        var highest = uses.MaxBy(use => Height(use.Home))!;
        return $"{project}/{file}({highest.Line}) uses {highest.Name} of the floor '{Of(highest.Home)}', which lies above '{Of(file)}': "
            + $"the file belongs in '{Of(highest.Home)}', the lowest floor above all that it uses, unless it can do without {highest.Name}.";
    }

    // From the ground up; −1 for a folder that is no floor.
    private int Height(string file) => Names.Reverse().ToList().IndexOf(Of(file));
}
