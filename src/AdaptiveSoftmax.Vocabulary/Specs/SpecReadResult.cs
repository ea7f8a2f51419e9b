namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The result of reading a spec: the spec, or what is wrong with it.</summary>
/// <param name="File">The file, by the name it was read under.</param>
/// <param name="Spec">The spec, or null where there are errors.</param>
/// <param name="TableFile">The token table the spec names, known even of a spec with errors elsewhere; null where it names none.</param>
/// <param name="Positions">Where the members stand that can only be checked against the token table.</param>
/// <param name="Errors">What is wrong, in the order of the text; empty exactly when there is a spec.</param>
public sealed record SpecReadResult(string File, SoftmaxSpec? Spec, string? TableFile, SpecPositions Positions, EquatableArray<SpecError> Errors);

/// <summary>Where those members of a spec stand that can only be checked against the token table.</summary>
/// <param name="Vocabulary">The value of <c>vocabulary</c>.</param>
/// <param name="Cutoffs">Each of the <c>cutoffs</c>.</param>
public sealed record SpecPositions(SourceSpan Vocabulary, EquatableArray<SourceSpan> Cutoffs);
