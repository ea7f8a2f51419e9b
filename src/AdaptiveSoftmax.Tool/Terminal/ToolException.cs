using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>A mistake of the user's: the message says what is wrong and how to mend it.</summary>
internal sealed class ToolException(string message) : Exception(message)
{
    /// <summary>What is wrong in a file, the first few mistakes with their places.</summary>
    public static ToolException Of(EquatableArray<SpecError> errors)
    {
        const int Shown = 5;
        var lines = errors.Take(Shown).Select(error => error.ToString());
        return new ToolException(string.Join(Environment.NewLine, errors.Count > Shown ? lines.Append(string.Create(CultureInfo.InvariantCulture, $"... and {errors.Count - Shown} more.")) : lines));
    }
}
