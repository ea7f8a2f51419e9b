using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Checks where a command will write before it works for long.</summary>
internal static class OutputPath
{
    /// <exception cref="ToolException">There can be no such file.</exception>
    public static void Check(string path)
    {
        if (Directory.Exists(path)) throw new ToolException($"{path} is a folder; give --output the name of a file.");
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is not null && !Directory.Exists(folder)) throw new ToolException($"The folder {folder} does not exist; create it or give --output another one.");
    }
}
