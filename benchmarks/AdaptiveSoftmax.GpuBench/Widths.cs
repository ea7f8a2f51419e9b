using AdaptiveSoftmax.Gpu;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>
/// Kernels for tensor cores are generated for a hidden size and the widths of the tails; the vocabulary is an argument.
/// These classes of three tokens have the widths of the table.
/// </summary>
internal static class Widths
{
    /// <summary>The kernels of head and both tails.</summary>
    public static IReadOnlyList<TensorCoreMethods> KernelsOf(int hidden) => hidden switch
    {
        64 => [Width64.TensorCores.Head, Width64.TensorCores.Tail0, Width64.TensorCores.Tail1],
        1024 => [Width1024.TensorCores.Head, Width1024.TensorCores.Tail0, Width1024.TensorCores.Tail1],
        2048 => [Width2048.TensorCores.Head, Width2048.TensorCores.Tail0, Width2048.TensorCores.Tail1],
        _ => throw new ArgumentOutOfRangeException(nameof(hidden), hidden, "There are no kernels of this width."),
    };
}

[AdaptiveSoftmax("width64.softmax.json")]
internal sealed partial class Width64;

[AdaptiveSoftmax("width1024.softmax.json")]
internal sealed partial class Width1024;

[AdaptiveSoftmax("width2048.softmax.json")]
internal sealed partial class Width2048;
