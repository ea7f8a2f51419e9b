using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

/// <summary>How binary tables stand in the source.</summary>
internal enum TableForm
{
    /// <summary>As UTF-16 string literals, which the compiler reads and writes fastest. They end up in the assembly's string heap.</summary>
    StringLiteral,

    /// <summary>As constant data of 64-bit numbers, which has no such limit and takes the compiler longer.</summary>
    ConstantData,
}

/// <summary>Shares the string heap, of which an assembly has one of 16 MiB, among the vocabularies of the assembly.</summary>
internal static class TableForms
{
    /// <summary>
    /// The bytes of tables that may become string literals in all: a quarter of the heap is left to the program's own
    /// strings, which a generator cannot see.
    /// </summary>
    public const long StringHeapShare = 12 << 20;

    /// <summary>The fingerprints of the vocabularies that do not fit, in order of the classes' file names.</summary>
    /// <param name="lookups">All annotated classes of the assembly.</param>
    /// <param name="share">The bytes that may become string literals in all.</param>
    public static EquatableArray<string> FindTooLarge(IEnumerable<ClassLookup> lookups, long share)
    {
        var left = share;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var tooLarge = new List<string>();
        foreach (var item in lookups.OrderBy(item => item.Class.FileName, StringComparer.Ordinal))
        {
            // Equal literals share their place in the heap.
            if (!seen.Add(item.Lookup.Fingerprint)) continue;
            if (item.Lookup.Size <= left) left -= item.Lookup.Size;
            else tooLarge.Add(item.Lookup.Fingerprint);
        }

        return new EquatableArray<string>(tooLarge.ToArray());
    }
}
