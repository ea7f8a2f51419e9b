namespace AdaptiveSoftmax.Generators;

/// <summary>Which of the additional files a name means. Where that would be a guess, there are several answers.</summary>
internal static class FileSearch
{
    /// <summary>
    /// The files that a name may mean, which are one where it is clear. Files at just this path, from one of the folders,
    /// go before files elsewhere whose paths end in the name, and equal case before other case.
    /// </summary>
    /// <param name="paths">The files.</param>
    /// <param name="name">The name, which may hold folders.</param>
    /// <param name="folders">The folders that the name may be relative to; those that are empty are passed over.</param>
    public static IReadOnlyList<string> Find(IEnumerable<string> paths, string name, params string[] folders)
    {
        if (name.Length == 0) return [];
        var files = paths.Select(FileNames.Normalize).Distinct().ToArray();
        var places = folders.Where(folder => folder.Length > 0).Select(folder => FileNames.Combine(folder, name)).ToArray();
        var ending = FileNames.Normalize(name);
        return FirstOf(
            files.Where(file => places.Contains(file, StringComparer.Ordinal)),
            files.Where(file => places.Contains(file, StringComparer.OrdinalIgnoreCase) || EndsIn(file, ending, StringComparison.Ordinal)),
            files.Where(file => EndsIn(file, ending, StringComparison.OrdinalIgnoreCase)));
    }

    /// <summary>The files that a path may mean, which are one where it is clear: equal case goes before other case.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="path">The path.</param>
    public static IReadOnlyList<string> At(IEnumerable<string> paths, string path)
    {
        var files = paths.Select(FileNames.Normalize).Distinct().ToArray();
        return FirstOf(files.Where(file => file == path), files.Where(file => FileNames.AreEqual(file, path)));
    }

    private static string[] FirstOf(params IEnumerable<string>[] ranks) =>
        ranks.Select(rank => rank.OrderBy(file => file, StringComparer.Ordinal).ToArray()).FirstOrDefault(rank => rank.Length > 0) ?? [];

    private static bool EndsIn(string path, string name, StringComparison comparison) =>
        path.EndsWith(name, comparison) && (path.Length == name.Length || path[path.Length - name.Length - 1] == '/');
}
