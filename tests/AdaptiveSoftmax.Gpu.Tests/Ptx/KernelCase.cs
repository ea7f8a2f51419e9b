using System.Reflection;

namespace AdaptiveSoftmax.Gpu.Tests.Ptx;

/// <summary>A CUDA kernel to be compiled and assembled, and what must hold for it.</summary>
/// <param name="Layout">The layout it is specialised for, in a word: one row of the table is a layout's kernel.</param>
/// <param name="Name">Its name, one of a kind within the layout.</param>
/// <param name="Method">The kernel, explicitly grouped, with all type arguments.</param>
/// <param name="GroupSize">The threads of a group, which bound its registers: the device has 65,536 for all groups.</param>
/// <param name="MaximumRegisters">The most registers a thread may take, which decides how many groups run at a time.</param>
/// <param name="WideReads">The fewest reads of 16 bytes of values that must stand in its loops, where it streams matrices; 0 elsewhere.</param>
/// <param name="LeastProductShare">The share of a product's loop that must multiply, or 0 for a kernel without a large product.</param>
/// <param name="GroupsAtOnce">How many groups a multiprocessor is to run at once, where the compiler is told.</param>
/// <param name="ReadsWords">Whether it reads weights as words of two values.</param>
internal sealed record KernelCase(
    string Layout, string Name, MethodInfo Method, int GroupSize, int MaximumRegisters, int WideReads, double LeastProductShare = 0, int? GroupsAtOnce = null, bool ReadsWords = false)
{
    /// <summary>What a test shows for it.</summary>
    public override string ToString() => $"{Layout} {Name}";
}

/// <summary>A source of kernels to be checked, listed in <see cref="KernelCases.Sources"/>.</summary>
internal interface IKernelCases
{
    /// <summary>The kernels.</summary>
    IEnumerable<KernelCase> Cases { get; }
}

/// <summary>All kernels that are checked.</summary>
internal static class KernelCases
{
    /// <summary>Where they come from.</summary>
    public static IReadOnlyList<IKernelCases> Sources { get; } = [new LibraryKernels()];

    /// <summary>The kernels by what a test shows for them.</summary>
    public static IReadOnlyDictionary<string, KernelCase> All { get; } =
        Sources.SelectMany(source => source.Cases).ToDictionary(kernel => kernel.ToString(), StringComparer.Ordinal);
}
