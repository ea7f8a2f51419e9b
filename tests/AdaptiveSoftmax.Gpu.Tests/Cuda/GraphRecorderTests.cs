using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

public sealed class GraphRecorderTests
{
    private const nint Stream = 7;

    [Fact]
    public void Launches_BecomeAnExecutableGraphAndTheRecordingIsFreed()
    {
        var driver = new RecordingDriver();
        var graph = GraphRecorder.TryRecord(driver, Stream, () => driver.Launches += 2, out var reason);
        Assert.Null(reason);
        Assert.Equal(2, graph!.Value.Nodes);
        Assert.NotEqual(0, graph.Value.Executable);
        Assert.Equal(["begin", "end", "count", "instantiate", "destroy"], driver.Calls);
        Assert.Equal((0, 1), (driver.LiveGraphs, driver.LiveExecutables));
    }

    [Theory]
    [InlineData("begin", "cuStreamBeginCapture", false)]
    [InlineData("end", "cuStreamEndCapture", true)]
    [InlineData("count", "cuGraphGetNodes", true)]
    [InlineData("instantiate", "cuGraphInstantiateWithFlags", true)]
    public void FailureOfTheDriver_GivesItsReasonAndLeavesNothingBehind(string failing, string function, bool launched)
    {
        var driver = new RecordingDriver(failing);
        var ran = false;
        Assert.Null(GraphRecorder.TryRecord(driver, Stream, () => { ran = true; driver.Launches++; }, out var reason));
        Assert.Equal($"{function} failed with error 1", reason);
        Assert.Equal(launched, ran);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public void CallRefusedWhileRecording_GivesTheDriversWords()
    {
        var driver = new RecordingDriver();
        Assert.Null(GraphRecorder.TryRecord(driver, Stream, () => throw new CudaException("not while capturing"), out var reason));
        Assert.Equal("the driver refused a call while it recorded: not while capturing", reason);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public void CallRefusedWhileRecordingThatSpoiledTheRecording_GivesTheCauseAndNotTheConsequence()
    {
        var driver = new RecordingDriver("end");
        Assert.Null(GraphRecorder.TryRecord(driver, Stream, () => throw new CudaException("not while capturing"), out var reason));
        Assert.Contains("not while capturing", reason, StringComparison.Ordinal);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public void FaultOfTheCaller_PassesThroughAfterTheRecordingWasEnded()
    {
        var driver = new RecordingDriver();
        Assert.Throws<FormatException>(() => GraphRecorder.TryRecord(driver, Stream, () => throw new FormatException(), out _));
        AssertNothingIsLeft(driver);
        Assert.NotNull(GraphRecorder.TryRecord(driver, Stream, () => driver.Launches++, out _));
    }

    [Fact]
    public void LaunchesOnAnotherStream_AreTheCallersFault()
    {
        var driver = new RecordingDriver();
        var exception = Assert.Throws<InvalidOperationException>(() => GraphRecorder.TryRecord(driver, Stream, () => { }, out _));
        Assert.Contains("did not use the stream", exception.Message, StringComparison.Ordinal);
        AssertNothingIsLeft(driver);
    }

    private static void AssertNothingIsLeft(RecordingDriver driver) =>
        Assert.Equal((false, 0, 0), (driver.IsCapturing, driver.LiveGraphs, driver.LiveExecutables));
}
