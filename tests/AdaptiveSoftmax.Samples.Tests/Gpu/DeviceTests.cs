using ILGPU.Runtime.Cuda;
using LanguageModelSample;
using Spectre.Console;

namespace AdaptiveSoftmax.Samples.Tests.Gpu;

/// <summary>The option --device.</summary>
public sealed class DeviceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;

    private string CheckpointPath => Path.Combine(_folder, "run.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("cpu", "Cpu", 0)]
    [InlineData("opencl", "OpenCl", 0)]
    [InlineData("cuda:12", "Cuda", 12)]
    public void Name_IsAKindAndAnIndex(string text, string kind, int index)
    {
        var name = DeviceName.TryParse(text);
        Assert.Equal(new DeviceName(Enum.Parse<DeviceKind>(kind), index), name);
        Assert.Equal(text, name!.ToString());
    }

    [Theory]
    [InlineData("gpu")]
    [InlineData("cpu:0")]
    [InlineData("opencl:")]
    [InlineData("opencl:-1")]
    [InlineData("cuda:x")]
    public async Task OtherName_IsAnError(string text)
    {
        Assert.Null(DeviceName.TryParse(text));
        Assert.Equal((1, ""), await RunAsync(TestContext.Current.CancellationToken, "--device", text));
    }

    [Fact]
    public async Task List_NamesEveryDevice_AndTrainsNothing()
    {
        var (code, output) = await RunAsync(TestContext.Current.CancellationToken, "--device", "list");
        Assert.Equal(0, code);
        Assert.Contains(" cpu ", output, StringComparison.Ordinal);
        Assert.Contains(" opencl ", output, StringComparison.Ordinal);
        Assert.Contains(" GB ", output, StringComparison.Ordinal);
        Assert.False(File.Exists(CheckpointPath));
    }

    [Fact]
    public async Task MissingDevice_IsAnErrorThatNamesTheRemedy()
    {
        var error = Assert.Throws<DeviceException>(() => ComputeDevice.Open(new DeviceName(DeviceKind.OpenCl, 99), threads: 1));
        Assert.Contains("There is no device opencl:99", error.Message, StringComparison.Ordinal);
        Assert.Contains("--device list", error.Message, StringComparison.Ordinal);
        Assert.Equal((1, ""), await RunAsync(TestContext.Current.CancellationToken, "--device", "opencl:99"));
    }

    [Fact]
    public void MissingCuda_IsAnErrorThatNamesTheDriver()
    {
        using (var context = AdaptiveSoftmax.Gpu.GpuContext.Create()) Assert.SkipWhen(context.GetCudaDevices().Count > 0, "This machine has a CUDA device.");
        var error = Assert.Throws<DeviceException>(() => ComputeDevice.Open(new DeviceName(DeviceKind.Cuda), threads: 1));
        Assert.Contains("no CUDA device", error.Message, StringComparison.Ordinal);
        Assert.Contains("driver", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task StoppedRun_IsSaved_AndGoesOnOnTheProcessor()
    {
        var (code, output) = await StopAsync("--device", "opencl");
        Assert.Equal(130, code);
        Assert.Contains("Computing on opencl, ", output, StringComparison.Ordinal);
        Assert.Contains("go on with --resume", output, StringComparison.Ordinal);
        Assert.True(File.Exists(CheckpointPath));
        (code, output) = await StopAsync("--resume");
        Assert.Equal(130, code);
        Assert.Contains("Going on from step", output, StringComparison.Ordinal);
    }

    // Cancels as Ctrl-C does, as soon as training shows its first step.
    private async Task<(int Code, string Output)> StopAsync(params string[] arguments)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        return await RunAsync(line => { if (line.Contains("tokens/s", StringComparison.Ordinal)) stop.Cancel(); }, [.. arguments, "--seconds", "1000"], stop.Token);
    }

    private Task<(int Code, string Output)> RunAsync(CancellationToken cancellation, params string[] arguments) => RunAsync(_ => { }, arguments, cancellation);

    private async Task<(int Code, string Output)> RunAsync(Action<string> onWrite, string[] arguments, CancellationToken cancellation)
    {
        var book = Path.Combine(_folder, "book.txt");
        await File.WriteAllTextAsync(book, string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 2000)), TestContext.Current.CancellationToken);
        using var output = new WatchedWriter(onWrite);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No, Ansi = AnsiSupport.No });
        console.Profile.Width = 120;
        var code = await CommandLine.RunAsync([.. arguments, "--corpus", book, "--checkpoint", CheckpointPath], console, cancellation);
        return (code, output.ToString());
    }

    private sealed class WatchedWriter(Action<string> onWrite) : StringWriter
    {
        public override void Write(string? value)
        {
            base.Write(value);
            if (value is not null) onWrite(value);
        }
    }
}
