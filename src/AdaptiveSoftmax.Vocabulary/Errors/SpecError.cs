namespace AdaptiveSoftmax.Vocabulary;

/// <summary>One thing that is wrong in a spec or token table, where, and how to mend it.</summary>
/// <param name="Kind">What kind of error it is.</param>
/// <param name="File">The file, by the name it was read under.</param>
/// <param name="Span">Where in the file.</param>
/// <param name="Message">What is wrong: one line, one or more sentences.</param>
/// <param name="Remedy">How to mend it: one line, one or more sentences.</param>
public sealed record SpecError(SpecErrorKind Kind, string File, SourceSpan Span, string Message, string Remedy)
{
    /// <summary>The error as compilers print it: <c>file(line,column): message remedy</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Excerpt.Line(File)}({Span.Line},{Span.Column}): {Message} {Remedy}");
}
