namespace AdaptiveSoftmax.Vocabulary;

/// <summary>One constant of a look-up structure, as a generator writes it.</summary>
/// <param name="Type">The C# type, fully qualified where it is no keyword.</param>
/// <param name="Name">The name of the look-up interface's member that returns the constant.</param>
/// <param name="Value">The C# expression of the value, the same under every culture.</param>
public sealed record TableConstant(string Type, string Name, string Value);
