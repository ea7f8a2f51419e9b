using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>How many groups a launch has. Kernels loop until the work is done, so the number changes no result.</summary>
internal static class Launches
{
    /// <summary>Tells the compiler the largest group, which bounds the registers of a thread.</summary>
    public static KernelSpecialization Specialization { get; } = new(TileProduct.GroupSize, null);

    /// <summary>
    /// Tells the compiler besides that a multiprocessor is to run two groups of large tiles at once: for a few registers more
    /// than 128 a thread, which it would take on sm_80 and 89, only one would run. A kernel of small tiles takes fewer by
    /// itself, and would take as many as two groups leave it.
    /// </summary>
    public static KernelSpecialization Tiles<TTile>()
        where TTile : unmanaged, IRegisterTile =>
        default(TTile).GroupRows == default(Tile128).GroupRows ? new(TileProduct.GroupSize, 2) : Specialization;

    /// <summary>As many groups as there are pieces of work, but no more than the device runs at once.</summary>
    public static KernelConfig Groups(Accelerator accelerator, long most)
    {
        var atOnce = Math.Max(1, accelerator.NumMultiprocessors) * 4;
        return ((int)Math.Clamp(most, 1, atOnce), TileProduct.GroupSize);
    }

    /// <summary>One thread an item.</summary>
    public static KernelConfig Threads(Accelerator accelerator, long items) =>
        Groups(accelerator, (items + TileProduct.GroupSize - 1) / TileProduct.GroupSize);

    /// <summary>One group.</summary>
    public static KernelConfig OneGroup => (1, TileProduct.GroupSize);
}
