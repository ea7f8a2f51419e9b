using System.Diagnostics.Tracing;
using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

/// <summary>Graphs on a CUDA device.</summary>
public abstract class GraphTests
{
    private protected abstract Accelerator Accelerator { get; }

    [Fact]
    public void ChainIsRecordedWithoutRunningAndReplayedWithNewInput()
    {
        var accelerator = Accelerator;
        using var stream = accelerator.CreateStream();
        using var other = accelerator.CreateStream();
        using var chain = new ChainKernels.Chain(accelerator);
        chain.Fill(stream, 1);
        chain.Launch(stream);
        chain.AssertSum(stream, 1);

        using var graph = LaunchGraph.TryCapture(accelerator, stream, chain.Launch, out var reason);
        Assert.Null(reason);
        Assert.Equal(2, graph!.Nodes);
        chain.AssertSum(stream, 1);

        graph.Launch(stream);
        graph.Launch(stream);
        chain.AssertSum(stream, 3);
        chain.Fill(stream, 10);
        graph.Launch(other);
        chain.AssertSum(other, 13);
        chain.Launch(stream);
        chain.AssertSum(stream, 23);
        graph.Dispose();
        Assert.Throws<ObjectDisposedException>(() => graph.Launch(stream));
    }

    [Fact]
    public void FailedRecordingLeavesTheStreamUsable()
    {
        var accelerator = Accelerator;
        using var stream = accelerator.CreateStream();
        using var chain = new ChainKernels.Chain(accelerator);
        using var events = new GpuEvents();
        chain.Fill(stream, 1);
        chain.Launch(stream);
        Action<AcceleratorStream> waiting = recorded =>
        {
            chain.Launch(recorded);
            recorded.Synchronize();
        };
        Assert.Null(LaunchGraph.TryCapture(accelerator, stream, waiting, out var reason));
        Assert.Equal([("GraphCaptureUnavailable", EventLevel.Warning, reason)], events.Written);
        chain.AssertSum(stream, 1);
        chain.Launch(stream);
        chain.AssertSum(stream, 2);

        Assert.Throws<FormatException>(() => LaunchGraph.TryCapture(accelerator, stream, _ => throw new FormatException(), out _));
        Assert.Throws<InvalidOperationException>(() => LaunchGraph.TryCapture(accelerator, stream, _ => { }, out _));
        using var graph = LaunchGraph.TryCapture(accelerator, stream, chain.Launch, out _);
        graph!.Launch(stream);
        chain.AssertSum(stream, 3);
    }

    [Fact]
    public void DefaultStreamIsNotRecorded()
    {
        var accelerator = Accelerator;
        Assert.Null(LaunchGraph.TryCapture(accelerator, accelerator.DefaultStream, _ => Assert.Fail("It ran."), out var reason));
        Assert.Contains("default stream", reason, StringComparison.Ordinal);
    }
}

[Collection(Backend.Collection)]
public sealed class CudaGraphTests : GraphTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
