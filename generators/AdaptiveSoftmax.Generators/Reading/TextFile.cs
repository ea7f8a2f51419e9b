using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>An additional file, equal to another when path and characters are.</summary>
internal sealed class TextFile(string path, SourceText text) : IEquatable<TextFile>
{
    public string Path { get; } = path;

    public SourceText Text { get; } = text;

    /// <summary>Reads a file; null where it cannot be read, which the compiler reports itself.</summary>
    public static TextFile? Read(AdditionalText file, CancellationToken cancellation) =>
        file.GetText(cancellation) is { } text ? new TextFile(file.Path, text) : null;

    public bool Equals(TextFile? other) =>
        other is not null && string.Equals(Path, other.Path, StringComparison.Ordinal) && Text.ContentEquals(other.Text);

    public override bool Equals(object? obj) => Equals(obj as TextFile);

    public override int GetHashCode() => unchecked((StringComparer.Ordinal.GetHashCode(Path) * 31) + Text.Length);
}
