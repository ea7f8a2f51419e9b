using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

/// <summary>What is wrong with an annotated class, where its source stands.</summary>
/// <param name="Descriptor">Which diagnostic it is.</param>
/// <param name="Location">Where it is.</param>
/// <param name="Arguments">What the descriptor's message has in its braces.</param>
internal sealed record ClassFault(DiagnosticDescriptor Descriptor, Location Location, params string[] Arguments);
