using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>Names of files, which differ between machines in their slashes and the folder above the project.</summary>
internal static class FileNames
{
    private const string SpecEnding = ".softmax.json";

    /// <summary>Whether a file is a spec.</summary>
    public static bool IsSpec(string path) => path.EndsWith(SpecEnding, StringComparison.OrdinalIgnoreCase);

    /// <summary>The last part of a path.</summary>
    public static string NameOf(string path) => path.Substring(path.LastIndexOfAny(['/', '\\']) + 1);

    /// <summary>The folder of a path, with a slash at its end; empty where there is none.</summary>
    public static string FolderOf(string path) => path.Substring(0, path.LastIndexOfAny(['/', '\\']) + 1);

    /// <summary>The name of a spec without its ending.</summary>
    public static string StemOf(string path)
    {
        var name = NameOf(path);
        return name.Substring(0, name.Length - SpecEnding.Length);
    }

    /// <summary>The path of a token table that a spec names relative to itself.</summary>
    public static string TableOf(string specPath, string tableName) => Combine(FolderOf(specPath), tableName);

    /// <summary>A name in a folder, or the name itself where it says the whole path.</summary>
    public static string Combine(string folder, string name) => Normalize(IsWhole(name) || folder.Length == 0 ? name : folder + "/" + name);

    /// <summary>Whether two paths name the same file where case makes no difference.</summary>
    public static bool AreEqual(string left, string right) =>
        string.Equals(Normalize(left), Normalize(right), StringComparison.OrdinalIgnoreCase);

    /// <summary>Forward slashes only, one at a time, without the parts <c>.</c> and <c>..</c> as far as they can be resolved.</summary>
    public static string Normalize(string path)
    {
        path = path.Replace('\\', '/');
        if (path.IndexOf("./", StringComparison.Ordinal) < 0 && path.IndexOf("//", StringComparison.Ordinal) < 0) return path;
        var parts = new List<string>();
        foreach (var part in path.Split('/'))
        {
            if (part == "." || (part.Length == 0 && parts.Count > 0)) continue;
            if (part == ".." && parts.Count > 0 && parts[parts.Count - 1] is not (".." or "")) parts.RemoveAt(parts.Count - 1);
            else parts.Add(part);
        }

        return string.Join("/", parts);
    }

    /// <summary>The name of a type as part of the name of a generated file, which may hold fewer kinds of characters.</summary>
    public static string ToHint(string name)
    {
        var hint = new StringBuilder(name.Length);
        foreach (var c in name)
        {
            if (char.IsLetterOrDigit(c) || c is '.' or '_' or '-') hint.Append(c);
            else hint.Append('-').Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
        }

        return hint.ToString();
    }

    private static bool IsWhole(string name) => name.Length > 0 && (name[0] is '/' or '\\' || (name.Length > 1 && name[1] == ':'));
}
