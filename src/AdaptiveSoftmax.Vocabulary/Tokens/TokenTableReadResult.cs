namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The result of reading a token table: the table, or what is wrong with it.</summary>
/// <param name="File">The file, by the name it was read under.</param>
/// <param name="Table">The table, or null where there are errors.</param>
/// <param name="Errors">What is wrong, in the order of the text; empty exactly when there is a table.</param>
public sealed record TokenTableReadResult(string File, TokenTable? Table, EquatableArray<SpecError> Errors);
