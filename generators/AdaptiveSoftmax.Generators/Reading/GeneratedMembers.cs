using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

/// <summary>The names that the generated half of a class declares, which the user's half cannot have as well.</summary>
internal static class GeneratedMembers
{
    private static readonly SymbolDisplayFormat s_typeFormat = new(
        typeQualificationStyle: SymbolDisplayTypeQualificationStyle.NameAndContainingTypesAndNamespaces,
        genericsOptions: SymbolDisplayGenericsOptions.IncludeTypeParameters,
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.UseSpecialTypes);

    /// <summary>The methods, which may be overloaded: each with the types of its parameters.</summary>
    public static IReadOnlyList<(string Name, string Parameters)> Methods { get; } =
    [
        ("Create", "ulong?, AdaptiveSoftmax.AdaptiveSoftmaxOptions"),
        ("Load", "string, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string"),
        ("Load", "System.IO.Stream, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string"),
        ("LoadAsync", "string, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string, System.Threading.CancellationToken"),
        ("LoadAsync", "System.IO.Stream, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string, System.Threading.CancellationToken"),
        ("Load", "string, AdaptiveSoftmax.MemoryMapping, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string"),
        ("LoadQuantized", "string, AdaptiveSoftmax.MemoryMapping, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string"),
        ("LoadQuantized", "System.IO.Stream, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string"),
        ("LoadQuantizedAsync", "System.IO.Stream, AdaptiveSoftmax.AdaptiveSoftmaxOptions, bool, string, System.Threading.CancellationToken"),
        ("CreateZeros", "AdaptiveSoftmax.AdaptiveSoftmaxOptions"),
        ("FindSlot", "int"),
        ("GetTokenId", "int"),
    ];

    /// <summary>The methods of a full softmax. Whether a class is one is in its spec, which is read apart, so they are kept free in every class.</summary>
    public static IReadOnlyList<(string Name, string Parameters)> FullMethods { get; } =
    [
        ("LoadHead", "string, AdaptiveSoftmax.AdaptiveSoftmaxOptions, string, AdaptiveSoftmax.Vocabulary.WeightPrecision?, System.Threading.CancellationToken"),
        ("LoadHead", "System.IO.Stream, AdaptiveSoftmax.AdaptiveSoftmaxOptions, string, AdaptiveSoftmax.Vocabulary.WeightPrecision?, System.Threading.CancellationToken"),
    ];

    /// <summary>The methods of a program that references the GPU package as well.</summary>
    public static IReadOnlyList<(string Name, string Parameters)> GpuMethods { get; } =
    [
        ("Create", "ILGPU.Runtime.Accelerator, ulong?, AdaptiveSoftmax.Gpu.GpuOptions"),
        ("Load", "string, ILGPU.Runtime.Accelerator, AdaptiveSoftmax.Gpu.GpuOptions, bool, string"),
        ("Load", "System.IO.Stream, ILGPU.Runtime.Accelerator, AdaptiveSoftmax.Gpu.GpuOptions, bool, string"),
        ("LoadAsync", "string, ILGPU.Runtime.Accelerator, AdaptiveSoftmax.Gpu.GpuOptions, bool, string, System.Threading.CancellationToken"),
        ("LoadAsync", "System.IO.Stream, ILGPU.Runtime.Accelerator, AdaptiveSoftmax.Gpu.GpuOptions, bool, string, System.Threading.CancellationToken"),
        ("ToGpu", "ILGPU.Runtime.Accelerator, AdaptiveSoftmax.Gpu.GpuOptions"),
    ];

    /// <summary>The nested types.</summary>
    public static IReadOnlyList<string> Types { get; } = ["Vocabulary", "Tables", "HeadLayer", "HeadShape"];

    /// <summary>The nested types of a program that references the GPU package as well.</summary>
    public static IReadOnlyList<string> GpuTypes { get; } = ["OnGpu", "TensorCores"];

    /// <summary>What a tail has: a property, and types with these endings.</summary>
    public static IReadOnlyList<string> TailEndings { get; } = ["Layer", "ProjectionShape", "OutputShape"];

    /// <summary>The constants, fields and properties.</summary>
    public static IReadOnlyList<string> Values { get; } =
        ["VocabularySize", "HiddenSize", "ShortlistSize", "TailCount", "Fingerprint", "Cutoffs", "Head", "s_identity", "DefaultQuantization"];

    /// <summary>The constants of a full softmax, which are kept free in every class as well.</summary>
    public static IReadOnlyList<string> FullValues { get; } = ["LogitScale", "LogitSoftCap"];

    /// <summary>Whether any generated member has a name.</summary>
    public static bool HaveName(string name, bool hasGpu) =>
        IsMethod(name, hasGpu) || IsType(name, hasGpu) || IsValue(name);

    /// <summary>Whether a member of the user's half cannot stand beside the generated ones.</summary>
    public static bool Exclude(ISymbol member, bool hasGpu)
    {
        // An indexer has the name that its attribute gives it; an accessor of a property is a method.
        if (member is IMethodSymbol { MethodKind: not MethodKind.Ordinary }) return false;
        if (member is IMethodSymbol method)
        {
            var owner = method.Name.StartsWith("get_", StringComparison.Ordinal) || method.Name.StartsWith("set_", StringComparison.Ordinal) ? method.Name.Substring(4) : method.Name;
            return IsType(method.Name, hasGpu) || IsValue(owner) || (method.Arity == 0 && HasSignature(method, hasGpu));
        }

        var name = member is IPropertySymbol { IsIndexer: true } ? member.MetadataName : member.Name;
        return member is INamedTypeSymbol { Arity: > 0 } ? IsMethod(name, hasGpu) || IsValue(name) : HaveName(name, hasGpu);
    }

    private static bool HasSignature(IMethodSymbol method, bool hasGpu)
    {
        if (!IsMethod(method.Name, hasGpu)) return false;
        var parameters = string.Join(", ", method.Parameters.Select(parameter => parameter.Type.ToDisplayString(s_typeFormat)));
        return MethodsOf(hasGpu).Contains((method.Name, parameters));
    }

    private static bool IsMethod(string name, bool hasGpu) =>
        MethodsOf(hasGpu).Any(method => method.Name == name);

    private static IEnumerable<(string Name, string Parameters)> MethodsOf(bool hasGpu) =>
        hasGpu ? Methods.Concat(FullMethods).Concat(GpuMethods) : Methods.Concat(FullMethods);

    private static bool IsType(string name, bool hasGpu) =>
        Types.Contains(name) || (hasGpu && GpuTypes.Contains(name)) || (TailEndingOf(name) is { Length: > 0 } ending && TailEndings.Contains(ending));

    private static bool IsValue(string name) => Values.Contains(name) || FullValues.Contains(name) || TailEndingOf(name) is "";

    // What follows the number of a tail; null where there is none.
    private static string? TailEndingOf(string name)
    {
        if (!name.StartsWith("Tail", StringComparison.Ordinal)) return null;
        var end = 4;
        while (end < name.Length && name[end] is >= '0' and <= '9') end++;
        return end == 4 ? null : name.Substring(end);
    }
}
