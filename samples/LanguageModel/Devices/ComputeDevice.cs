namespace LanguageModelSample;

/// <summary>What models compute on.</summary>
internal abstract class ComputeDevice : IDisposable
{
    /// <summary>What the run should say of it; null for the processor, which needs no word.</summary>
    public abstract string? Description { get; }

    /// <summary>What <see cref="UsedMemory"/> and <see cref="ITraining.UsedMemory"/> count.</summary>
    public abstract string MemoryName { get; }

    /// <summary>The memory in use, in bytes, before a model is made.</summary>
    public abstract long UsedMemory { get; }

    /// <summary>The model with the generated adaptive softmax.</summary>
    public abstract LanguageModel CreateAdaptive(ulong seed);

    /// <summary>The model with a full softmax.</summary>
    public abstract LanguageModel CreateFull(ulong seed);

    public abstract void Dispose();

    /// <summary>Opens a device.</summary>
    /// <param name="name">Which one.</param>
    /// <param name="threads">The threads that compute, where the device is the processor.</param>
    /// <exception cref="DeviceException">The machine does not have it.</exception>
    public static ComputeDevice Open(DeviceName name, int threads) =>
        name.Kind == DeviceKind.Cpu ? new ProcessorDevice(threads) : new GpuDevice(name);

    private sealed class ProcessorDevice(int threads) : ComputeDevice
    {
        public override string? Description => null;

        public override string MemoryName => "growth of the process while training";

        public override long UsedMemory => Environment.WorkingSet;

        public override LanguageModel CreateAdaptive(ulong seed) => Models.CreateAdaptive(seed, threads);

        public override LanguageModel CreateFull(ulong seed) => Models.CreateFull(seed, threads);

        public override void Dispose()
        {
        }
    }
}
