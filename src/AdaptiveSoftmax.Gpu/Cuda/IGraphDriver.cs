using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// The calls of the CUDA driver that record and replay a graph, apart from the driver itself so that what happens when
/// one of them fails can be tested without a device. The caller has made the device's context the thread's current one.
/// </summary>
internal interface IGraphDriver
{
    /// <summary>Starts to record what is launched on a stream, instead of running it.</summary>
    CudaError BeginCapture(nint stream);

    /// <summary>Ends a recording, even one that was invalidated; <paramref name="graph"/> is then 0.</summary>
    CudaError EndCapture(nint stream, out nint graph);

    /// <summary>Counts the launches and copies in a graph.</summary>
    CudaError CountNodes(nint graph, out nint count);

    /// <summary>Makes the form of a graph that can be launched.</summary>
    CudaError Instantiate(nint graph, out nint executable);

    /// <summary>Launches all of an executable graph on a stream.</summary>
    CudaError Launch(nint executable, nint stream);

    /// <summary>Frees a graph; executable forms made of it stay.</summary>
    CudaError DestroyGraph(nint graph);

    /// <summary>Frees an executable graph, after its last launch has finished on the device.</summary>
    CudaError DestroyExecutable(nint executable);

    /// <summary>The name, number and description of an error.</summary>
    string Describe(CudaError error);
}
