namespace AdaptiveSoftmax.Generators;

/// <summary>The names of generated files: what follows the name of the class.</summary>
internal static class GeneratedFiles
{
    public const string Class = ".g.cs";

    public const string Tables = ".Tables.g.cs";

    public const string Gpu = ".Gpu.g.cs";

    public const string TensorCores = ".TensorCores.g.cs";

    /// <summary>The file that lets ILGPU see classes that are not public.</summary>
    public const string Friend = "ILGPURuntime.g.cs";

    /// <summary>The file with the base of classes that cannot be made.</summary>
    public const string StandIn = "AdaptiveSoftmaxStandIn.g.cs";

    /// <summary>The endings of all files of a class.</summary>
    public static IReadOnlyList<string> OfClass { get; } = [Class, Tables, Gpu, TensorCores];
}
