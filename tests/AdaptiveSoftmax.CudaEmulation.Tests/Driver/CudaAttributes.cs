namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>What an emulated device says about itself: an H100 with little memory, so that tests find its end.</summary>
internal static class CudaAttributes
{
    /// <summary>How many there are, for ranks.</summary>
    public const int Devices = 3;

    public const string Name = "Emulated CUDA device";

    /// <summary>CUDA 12.4.</summary>
    public const int DriverVersion = 12_040;

    public const int MaximumSharedPerGroup = 227 * 1024;

    public const long MemoryBytes = int.MaxValue - 65_535L;

    /// <summary>An attribute of a device by its number in <c>cuda.h</c>, or null for one that nobody has asked for yet.</summary>
    public static int? Find(int attribute, int device) => attribute switch
    {
        1 => 1024, // MAX_THREADS_PER_BLOCK
        2 or 3 => 1024, // MAX_BLOCK_DIM_X, Y
        4 => 64, // MAX_BLOCK_DIM_Z
        5 => int.MaxValue, // MAX_GRID_DIM_X
        6 or 7 => 65_535, // MAX_GRID_DIM_Y, Z
        8 => 48 * 1024, // MAX_SHARED_MEMORY_PER_BLOCK
        9 => 64 * 1024, // TOTAL_CONSTANT_MEMORY
        10 => 32, // WARP_SIZE
        11 => int.MaxValue, // MAX_PITCH
        12 => 65_536, // MAX_REGISTERS_PER_BLOCK
        13 => 1_980_000, // CLOCK_RATE, kHz
        16 => 132, // MULTIPROCESSOR_COUNT
        19 => 1, // CAN_MAP_HOST_MEMORY
        32 => 1, // ECC_ENABLED
        33 => 1 + device, // PCI_BUS_ID, by which ILGPU tells devices apart
        34 => 0, // PCI_DEVICE_ID
        35 => 0, // TCC_DRIVER
        36 => 2_619_000, // MEMORY_CLOCK_RATE, kHz
        37 => 5120, // GLOBAL_MEMORY_BUS_WIDTH
        38 => 50 * 1024 * 1024, // L2_CACHE_SIZE
        39 => 2048, // MAX_THREADS_PER_MULTIPROCESSOR
        40 => 3, // ASYNC_ENGINE_COUNT
        50 => 0, // PCI_DOMAIN_ID
        75 => 9, // COMPUTE_CAPABILITY_MAJOR
        76 => 0, // COMPUTE_CAPABILITY_MINOR
        81 => 228 * 1024, // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
        82 => 65_536, // MAX_REGISTERS_PER_MULTIPROCESSOR
        83 => 1, // MANAGED_MEMORY
        90 => 1, // COMPUTE_PREEMPTION_SUPPORTED
        91 => 1, // CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM
        97 => MaximumSharedPerGroup, // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        _ => null,
    };
}
