using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class CalibrateDeviceTests
{
    private static readonly MachineProfile s_device = MachineProfile.Default with { Name = "a card", Device = "cuda:1", TopK = null, Sampling = null, TrainingTailTime = 7e9 };

    [Fact]
    public async Task Devices_AreListedByTheNamesThatTheyAreMeasuredBy()
    {
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("calibrate", "--list-devices", "--json"));
        using var json = JsonDocument.Parse(run.Output);
        // eng/native.sh installs one that runs on the processor.
        var device = json.RootElement.EnumerateArray().First(device => device.GetProperty("id").GetString() == "opencl");
        var name = device.GetProperty("name").GetString()!;
        Assert.True(device.GetProperty("memoryBytes").GetInt64() > 0);

        Assert.Equal(0, await run.RunAsync("calibrate", "--list-devices"));
        Assert.Contains(name[..20], run.Output, StringComparison.Ordinal);

        // One that is not there is answered with those that are, and leaves nothing.
        Assert.Equal(1, await run.RunAsync("calibrate", "--device", "opencl:9", "-o", run.Path("gpu.json")));
        Assert.Contains("no device 'opencl:9'", run.Error, StringComparison.Ordinal);
        Assert.Contains("opencl (", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Files);
    }

    [Fact]
    public async Task ADeviceThatIsMeasured_StopsWithoutAFile()
    {
        using var run = new ToolRun();
        using var source = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        Assert.Equal(130, await run.RunAsync(source.Token, "calibrate", "--device", "opencl", "-o", run.Path("gpu.json")));
        Assert.Contains("no file was written", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Files);
    }

    [Fact]
    public async Task OptionsThatMeanNothing_AreRefused()
    {
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync("calibrate"));
        Assert.Contains("'--output' is required", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("calibrate", "--device", "cuda", "--threads", "2", "-o", run.Path("gpu.json")));
        Assert.Contains("--threads are the processor's", run.Error, StringComparison.Ordinal);
        foreach (var given in new[] { new[] { "--device", "cuda" }, ["-o", run.Path("x.json")], ["--threads", "2"], ["--name", "x"], ["--force"] })
        {
            Assert.Equal(1, await run.RunAsync(["calibrate", "--list-devices", .. given]));
            Assert.Contains($"leave out {(given[0] == "-o" ? "--output" : given[0])}, or --list-devices", run.Error, StringComparison.Ordinal);
            Assert.Empty(run.Output);
        }
    }

    // A measurement takes most of a minute, and this test would wait for it.
    [Fact]
    public async Task AnOutputThatCannotBeWritten_IsSaidBeforeAnythingIsMeasured()
    {
        using var run = new ToolRun();
        MachineProfileFile.Save(run.Path("machine.json"), s_device);
        var file = new FileInfo(run.Path("machine.json")) { IsReadOnly = true };
        using var source = new CancellationTokenSource();
        source.CancelAfter(TimeSpan.FromSeconds(20));
        Assert.Equal(1, await run.RunAsync(source.Token, "calibrate", "-o", run.Path("machine.json")));
        Assert.Contains("may not be written to", run.Error, StringComparison.Ordinal);
        Assert.Equal(["machine.json"], run.Files);
        file.IsReadOnly = false;
    }

    [Fact]
    public async Task APlanForADevice_PaysForLaunches()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", string.Join('\n', Enumerable.Range(0, 5000).Select(id => $"{id}\t{1_000_000 / (id + 1)}\tt{id}")) + "\n");
        MachineProfileFile.Save(run.Path("gpu.json"), s_device);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "--machine", run.Path("gpu.json"), "--json"));
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal("cuda:1", json.RootElement.GetProperty("device").GetString());
        // Seven seconds a tail are paid in every step, so there is one.
        var plan = json.RootElement.GetProperty("plan");
        Assert.Equal(1, plan.GetProperty("cutoffs").GetArrayLength());
        Assert.True(plan.GetProperty("nanoseconds").GetDouble() > 7e9);

        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "--machine", run.Path("gpu.json"), "--for", "serve"));
        Assert.Contains("is of the device cuda:1, which trains and decodes greedily; --for serve needs a profile of the processor", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "--machine", run.Path("gpu.json"), "--measure"));
        Assert.Contains("--measure runs on the processor", run.Error, StringComparison.Ordinal);
    }
}
