using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

// What goes from one step to the next is a reference, or a pair of them: for each other type the compiler's tables and nodes are
// compiled by the JIT anew, some hundred methods, and in a build without a running compiler that was the most of a generation.

/// <summary>All values of a step as one.</summary>
/// <param name="Items">The values.</param>
internal sealed record Batch<T>(EquatableArray<T> Items);

/// <summary>An answer of yes or no.</summary>
/// <param name="IsSet">Whether it is yes.</param>
internal sealed record Flag(bool IsSet);

internal static class PipelineValues
{
    /// <summary>All values of a step as one.</summary>
    public static IncrementalValueProvider<Batch<T>> Together<T>(this IncrementalValuesProvider<T> values)
        where T : class => values.Collect().Select((all, _) => new Batch<T>(new EquatableArray<T>(all)));
}
