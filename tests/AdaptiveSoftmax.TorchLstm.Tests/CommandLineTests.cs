using Spectre.Console;
using TorchLstmSample;

namespace AdaptiveSoftmax.TorchLstm.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-lstm-").FullName;

    private string CheckpointPath => Path.Combine(_folder, "run.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task WholeRun_TrainsComparesAndWrites_AndResumes()
    {
        var (code, output) = await RunAsync("--seconds", "1", "--prompt", "The quick");
        Assert.Equal(0, code);
        Assert.Contains("200,019 tokens in the vocabulary", output, StringComparison.Ordinal);
        Assert.Contains("256 of 256 predictions are the module's", output, StringComparison.Ordinal);
        Assert.Contains("greedy decoding of a token", output, StringComparison.Ordinal);
        Assert.Contains("The quick", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', output);

        using var stop = new CancellationTokenSource();
        stop.CancelAfter(TimeSpan.FromSeconds(2));
        (code, output) = await RunAsync(stop.Token, "--seconds", "1000", "--resume");
        Assert.Equal(130, code);
        Assert.Equal([CheckpointPath], Directory.GetFiles(_folder, "*.safetensors*"));
    }

    [Fact]
    public async Task CheckpointThatIsMissing_IsAnErrorInOneLine()
    {
        var (code, output) = await RunAsync("--resume");
        Assert.Equal(1, code);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckpointThatIsNone_IsAnErrorAndStays()
    {
        await File.WriteAllTextAsync(CheckpointPath, "not a checkpoint", TestContext.Current.CancellationToken);
        var (code, _) = await RunAsync("--resume", "--seconds", "1");
        Assert.Equal(1, code);
        Assert.Equal("not a checkpoint", await File.ReadAllTextAsync(CheckpointPath, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("--corpus", "there/is/no/such/book.txt")]
    [InlineData("--seconds", "0")]
    [InlineData("--threads", "0")]
    [InlineData("--device", "cuda")]
    public async Task OptionThatMakesNoSense_TrainsNothing(string option, string value)
    {
        var (code, output) = await RunAsync(option, value);
        Assert.Equal(1, code);
        Assert.DoesNotContain("loss", output, StringComparison.Ordinal);
        Assert.False(File.Exists(CheckpointPath));
    }

    private Task<(int Code, string Output)> RunAsync(params string[] arguments) => RunAsync(TestContext.Current.CancellationToken, arguments);

    private async Task<(int Code, string Output)> RunAsync(CancellationToken cancellation, params string[] arguments)
    {
        var book = Path.Combine(_folder, "book.txt");
        await File.WriteAllTextAsync(book, string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 2000)), cancellation);
        using var output = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Interactive = InteractionSupport.No, Ansi = AnsiSupport.No });
        console.Profile.Width = 120;
        string[] corpus = arguments.Contains("--corpus") ? [] : ["--corpus", book];
        var code = await CommandLine.RunAsync([.. arguments, .. corpus, "--checkpoint", CheckpointPath], console, cancellation);
        return (code, output.ToString());
    }
}
