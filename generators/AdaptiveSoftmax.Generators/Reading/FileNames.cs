namespace AdaptiveSoftmax.Generators;

/// <summary>How specs and token tables are found among the additional files, whose paths differ between machines.</summary>
internal static class FileNames
{
    private const string SpecEnding = ".softmax.json";

    /// <summary>Whether a file is a spec.</summary>
    public static bool IsSpec(string path) => path.EndsWith(SpecEnding, StringComparison.OrdinalIgnoreCase);

    /// <summary>The last part of a path.</summary>
    public static string NameOf(string path) => path.Substring(path.LastIndexOfAny(['/', '\\']) + 1);

    /// <summary>The name of a spec without its ending.</summary>
    public static string StemOf(string path)
    {
        var name = NameOf(path);
        return name.Substring(0, name.Length - SpecEnding.Length);
    }

    /// <summary>Whether a path ends in a name, which may hold folders.</summary>
    public static bool Matches(string path, string name)
    {
        name = Normalize(name);
        path = Normalize(path);
        return name.Length > 0 && path.EndsWith(name, StringComparison.OrdinalIgnoreCase)
            && (path.Length == name.Length || path[path.Length - name.Length - 1] == '/');
    }

    /// <summary>The path of a token table that a spec names relative to itself.</summary>
    public static string TableOf(string specPath, string tableName)
    {
        var path = Normalize(specPath);
        return Normalize(path.Substring(0, path.LastIndexOf('/') + 1) + tableName);
    }

    /// <summary>Whether two paths name the same file.</summary>
    public static bool AreEqual(string left, string right) =>
        string.Equals(Normalize(left), Normalize(right), StringComparison.OrdinalIgnoreCase);

    // Forward slashes only, without the parts `.` and `..` as far as they can be resolved.
    private static string Normalize(string path)
    {
        path = path.Replace('\\', '/');
        if (path.IndexOf("./", StringComparison.Ordinal) < 0) return path;
        var parts = new List<string>();
        foreach (var part in path.Split('/'))
        {
            if (part == ".") continue;
            if (part == ".." && parts.Count > 0 && parts[parts.Count - 1] is not (".." or "")) parts.RemoveAt(parts.Count - 1);
            else parts.Add(part);
        }

        return string.Join("/", parts);
    }
}
