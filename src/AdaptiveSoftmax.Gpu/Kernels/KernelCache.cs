using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Keeps the kernels of an accelerator for as long as that lives, so that a second layer of the same shapes compiles
/// nothing. ILGPU's own cache forgets a kernel once nobody refers to it.
/// </summary>
internal static class KernelCache
{
    private static readonly ConditionalWeakTable<Accelerator, ConcurrentDictionary<Type, object>> s_kernels = [];

    /// <summary>The kernels of a type for an accelerator.</summary>
    public static TKernels Get<TKernels>(Accelerator accelerator, Func<Accelerator, TKernels> create)
        where TKernels : class
    {
        var kernels = s_kernels.GetOrCreateValue(accelerator);
        // The usual case allocates no closure.
        return (TKernels)(kernels.TryGetValue(typeof(TKernels), out var found) ? found : kernels.GetOrAdd(typeof(TKernels), create(accelerator)));
    }
}
