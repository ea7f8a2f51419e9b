using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Reads and writes what a machine takes.</summary>
internal static class MachineFile
{
    public static OutputKind Kind { get; } = new("a machine profile", [".json"], "it is JSON", IsProfile);

    /// <summary>Reads a profile; null gives the built-in one.</summary>
    /// <exception cref="ToolException">There is none, or it has a mistake.</exception>
    public static MachineProfile Read(string? path, CancellationToken cancellationToken)
    {
        if (path is null) return MachineProfile.Default;
        var text = InputFile.ReadText(path, FileContentKind.Json, cancellationToken);
        try
        {
            return MachineProfileFile.Parse(text, Excerpt.Line(path));
        }
        catch (FormatException exception)
        {
            throw new ToolException(exception.Message);
        }
    }

    private static bool IsProfile(string path)
    {
        try
        {
            MachineProfileFile.Load(path);
            return true;
        }
        catch (Exception exception) when (exception is FormatException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
