namespace AdaptiveSoftmax.Vocabulary;

/// <summary>A stretch of one line of a text file, in UTF-16 code units as editors and compilers count them.</summary>
/// <param name="Offset">The first code unit, counted from 0 over the whole text; a byte order mark counts here.</param>
/// <param name="Length">The number of code units, 0 at the end of the text.</param>
/// <param name="Line">The line, counted from 1.</param>
/// <param name="Column">The column, counted from 1; a byte order mark does not count here.</param>
public readonly record struct SourceSpan(int Offset, int Length, int Line, int Column);
