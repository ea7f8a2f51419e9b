using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>A diagnostic as a value: the generator's steps compare it, and its output reports it.</summary>
/// <param name="Id">Which of <see cref="Descriptors.All"/> it is.</param>
/// <param name="Place">Where it is.</param>
/// <param name="Arguments">What the descriptor's message has in its braces.</param>
internal sealed record Fault(string Id, Place Place, EquatableArray<string> Arguments)
{
    public Fault(DiagnosticDescriptor descriptor, Place place, params string[] arguments)
        : this(descriptor.Id, place, new EquatableArray<string>(arguments))
    {
    }

    /// <summary>The whole message.</summary>
    public string Message =>
        string.Format(CultureInfo.InvariantCulture, Descriptors.Of(Id).MessageFormat.ToString(CultureInfo.InvariantCulture), [.. Arguments]);

    /// <summary>An error in a spec or token table.</summary>
    public static Fault Of(SpecError error) => new(Descriptors.Of(error.Kind), PlaceOf(error.File, error.Span), error.Message, error.Remedy);

    /// <summary>A place in a spec or token table.</summary>
    public static Place PlaceOf(string file, SourceSpan span)
    {
        var start = new LinePosition(span.Line - 1, span.Column - 1);
        var end = new LinePosition(start.Line, start.Character + span.Length);
        return new Place(file, new TextSpan(span.Offset, span.Length), new LinePositionSpan(start, end));
    }

    /// <summary>The same about a file that no class names: it breaks nothing.</summary>
    public Fault AsUnused() => new(Descriptors.UnusedFileWrong, Place, FileNameOf(Place.Path), Message);

    /// <summary>The diagnostic to report.</summary>
    /// <param name="pages">The folder or address that the pages of the diagnostics stand in; empty where it is not known.</param>
    public Diagnostic ToDiagnostic(string pages) => Diagnostic.Create(Descriptors.WithPage(Descriptors.Of(Id), pages), Place.ToLocation(), [.. Arguments]);

    private static string FileNameOf(string path) => path.Substring(path.LastIndexOfAny(['/', '\\']) + 1);
}
