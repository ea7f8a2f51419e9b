using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>Turns errors in specs and token tables into diagnostics at their place in the file.</summary>
internal static class SpecDiagnostics
{
    public static Diagnostic Create(SpecError error) =>
        Diagnostic.Create(Descriptors.Of(error.Kind), LocationOf(error), error.Message, error.Remedy);

    public static Diagnostic CreateStringHeapFull(ClassLookup lookup) => Diagnostic.Create(
        Descriptors.StringHeapFull,
        Location.Create(lookup.SpecPath, default, default),
        lookup.Class.Name,
        lookup.Lookup.Size);

    private static Location LocationOf(SpecError error)
    {
        var span = error.Span;
        var start = new LinePosition(span.Line - 1, span.Column - 1);
        var end = new LinePosition(start.Line, start.Character + span.Length);
        return Location.Create(error.File, new TextSpan(span.Offset, span.Length), new LinePositionSpan(start, end));
    }
}
