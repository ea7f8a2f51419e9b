using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

// Calls of a fixed shape, recorded once and replayed.
public abstract partial class GpuSoftmaxDecoder
{
    /// <summary>
    /// Predicts as <see cref="Predict(ArrayView{float}, ArrayView{int})"/> does, and records the launches: a replay
    /// predicts for what the same memory holds then. On CUDA a replay is one launch, a CUDA graph.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="tokens">Receives token ids, [tokens].</param>
    /// <exception cref="ArgumentException">The sizes do not agree, or a view belongs to another accelerator.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public GpuRecording RecordPredict(ArrayView<float> hidden, ArrayView<int> tokens) =>
        Record(() => Predict(hidden, tokens), usesGrowingMemory: !IsOneVector(hidden.Length / Layout.HiddenSize));

    private protected GpuRecording Record(Action call, bool usesGrowingMemory)
    {
        CheckUsable();
        // For real, which compiles the kernels and allocates the memory that a recording may not: those of any batch.
        Blindly(call);
        using var stream = Accelerator.CreateStream();
        var graph = LaunchGraph.TryCapture(Accelerator, stream, recorded => RunOn(recorded, () => Blindly(call)), out var reason);
        return new GpuRecording(this, () => Blindly(call), graph, reason, usesGrowingMemory);
    }

    private void Blindly(Action call)
    {
        IsRecording = true;
        try
        {
            call();
        }
        finally
        {
            IsRecording = false;
        }
    }

    private void RunOn(AcceleratorStream stream, Action call)
    {
        _stream = stream;
        try
        {
            call();
        }
        finally
        {
            _stream = Accelerator.DefaultStream;
        }
    }
}
