using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

/// <summary>A class to complete, as its declaration says; no positions, so that moving it changes nothing.</summary>
/// <param name="Namespace">The namespace, or an empty string for the global one.</param>
/// <param name="EnclosingTypes">The headers of the enclosing types from the outermost in, such as <c>partial struct @Outer&lt;@T&gt;</c>.</param>
/// <param name="Name">The name of the class as source writes it.</param>
/// <param name="FileName">The name that generated files start with, unique but for case.</param>
/// <param name="SpecName">The name of the spec that the attribute gives.</param>
/// <param name="SourceFolder">The folder of the source that the attribute stands in.</param>
/// <param name="IsMeasuredByCls">Whether the compiler would hold its members against the Common Language Specification.</param>
/// <param name="CannotBeMade">Whether constructor and factories would not compile beside the user's half, which is reported; the other members stand in.</param>
internal sealed record ClassModel(
    string Namespace, EquatableArray<string> EnclosingTypes, string Name, string FileName, string SpecName, string SourceFolder, bool IsMeasuredByCls, bool CannotBeMade);
