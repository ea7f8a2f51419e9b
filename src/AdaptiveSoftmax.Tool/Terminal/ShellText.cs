using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>Commands in messages, to be copied into a shell.</summary>
internal static class ShellText
{
    /// <summary>A path as one argument, in quotation marks where a shell would make more or something else of it.</summary>
    public static string Argument(string path)
    {
        var line = Excerpt.Line(path);
        return line.All(character => char.IsLetterOrDigit(character) || "/\\:._-+,=@%~".Contains(character, StringComparison.Ordinal)) ? line : $"\"{line}\"";
    }
}
