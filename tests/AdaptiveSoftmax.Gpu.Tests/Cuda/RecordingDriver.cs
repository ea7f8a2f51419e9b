using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

/// <summary>
/// A driver without a device: it notes the calls, fails the one it is told to, and keeps the rules of the real one, so
/// that a handle used twice or never freed shows.
/// </summary>
internal sealed class RecordingDriver(string? failing = null) : IGraphDriver
{
    private const nint Graph = 100;
    private const nint Executable = 200;
    private const CudaError Failure = CudaError.CUDA_ERROR_INVALID_VALUE;

    private nint _capturing;

    public List<string> Calls { get; } = [];

    public int LiveGraphs { get; private set; }

    public int LiveExecutables { get; private set; }

    public bool IsCapturing => _capturing != 0;

    /// <summary>The launches that a recording has seen.</summary>
    public int Launches { get; set; }

    public CudaError BeginCapture(nint stream)
    {
        if (Fails("begin")) return Failure;
        Assert.Equal(0, _capturing);
        _capturing = stream;
        return CudaError.CUDA_SUCCESS;
    }

    public CudaError EndCapture(nint stream, out nint graph)
    {
        graph = 0;
        Assert.Equal(_capturing, stream);
        _capturing = 0; // also where the recording failed, as cuda.h says
        if (Fails("end")) return Failure;
        LiveGraphs++;
        graph = Graph;
        return CudaError.CUDA_SUCCESS;
    }

    public CudaError CountNodes(nint graph, out nint count)
    {
        count = 0;
        Assert.Equal((Graph, 1), (graph, LiveGraphs));
        if (Fails("count")) return Failure;
        count = Launches;
        return CudaError.CUDA_SUCCESS;
    }

    public CudaError Instantiate(nint graph, out nint executable)
    {
        executable = 0;
        Assert.Equal((Graph, 1), (graph, LiveGraphs));
        if (Fails("instantiate")) return Failure;
        LiveExecutables++;
        executable = Executable;
        return CudaError.CUDA_SUCCESS;
    }

    public CudaError Launch(nint executable, nint stream) => throw new NotSupportedException();

    public CudaError DestroyGraph(nint graph)
    {
        Assert.Equal((Graph, 1), (graph, LiveGraphs));
        Calls.Add("destroy");
        LiveGraphs--;
        return CudaError.CUDA_SUCCESS;
    }

    public CudaError DestroyExecutable(nint executable) => throw new NotSupportedException();

    public string Describe(CudaError error) => $"error {(int)error}";

    private bool Fails(string call)
    {
        Calls.Add(call);
        return call == failing;
    }
}
