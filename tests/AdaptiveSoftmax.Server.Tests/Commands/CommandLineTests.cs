using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using LanguageModelSample;
using ServerSample;
using Spectre.Console;
using CommandLine = ServerSample.CommandLine;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>The program as it is started, with the model of 200,019 tokens.</summary>
public sealed partial class CommandLineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-server-").FullName;
    private readonly StringWriter _output = new();

    public void Dispose()
    {
        _output.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string CheckpointPath => Path.Combine(_folder, "model.safetensors");

    [Fact]
    public async Task ServerOfACheckpoint_AnswersAndEndsOnCtrlC()
    {
        using (var model = Models.CreateAdaptive(seed: 4, threads: 2)) new Checkpoint(model.Softmax, model.Body.Parameters).Save(CheckpointPath);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancellation);
        var running = RunAsync(stop.Token, "--checkpoint", CheckpointPath, "--urls", "http://127.0.0.1:0", "--max-tokens", "7");
        await Wait.UntilAsync(() => running.IsCompleted || Address().Success);
        Assert.False(running.IsCompleted, Output);
        using var client = new HttpClient { BaseAddress = new Uri(Address().Groups[1].Value) };
        using var response = await client.PostAsJsonAsync("v1/completions", new JsonObject { ["prompt"] = "Gets or sets the", ["max_tokens"] = 7, ["logprobs"] = 2, ["user"] = "me" }, TestServer.Cancellation);
        var answer = (await response.Content.ReadFromJsonAsync<JsonNode>(TestServer.Cancellation))!;
        Assert.Equal(7, (int)answer["usage"]!["completion_tokens"]!);
        Assert.Equal(4, (int)answer["usage"]!["prompt_tokens"]!);
        Assert.Equal("api-docs", (string)answer["model"]!);
        await stop.CancelAsync();
        Assert.Equal(0, await running);
        Assert.Equal([CheckpointPath], Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Load_ComparesEveryAnswer_AndPrintsATable()
    {
        using (var model = Models.CreateAdaptive(seed: 4, threads: 2)) new Checkpoint(model.Softmax, model.Body.Parameters).Save(CheckpointPath);
        Assert.Equal(0, await RunAsync(TestServer.Cancellation, "load", "--checkpoint", CheckpointPath, "--requests", "70", "--clients", "1", "16", "--max-tokens", "4"));
        Assert.Matches(@"\|\s+1 \|.*\|\s+70 \|\s+0 \|", Output);
        Assert.Matches(@"\|\s+16 \|.*\|\s+70 \|\s+0 \|", Output);
    }

    [Fact]
    public async Task Load_WithAPolicyForBursts_ShowsBoth()
    {
        using (var model = Models.CreateAdaptive(seed: 4, threads: 2)) new Checkpoint(model.Softmax, model.Body.Parameters).Save(CheckpointPath);
        Assert.Equal(0, await RunAsync(TestServer.Cancellation, "load", "--checkpoint", CheckpointPath, "--head", "int8", "--requests", "40", "--clients", "12", "--max-tokens", "4", "--max-batch", "2", "--burst-policy", "head-only", "--burst-queue", "3"));
        Assert.Matches(@"\| exact\s+\|\s+12 \|.*\|\s+0 \|\s+0\.0000 \|\s+40 \|\s+0 \|", Output);
        Assert.Matches(@"\| head-only\s+\|\s+12 \|.*\|\s+[1-9]\d* \|\s+0\.\d{4} \|\s+40 \|\s+0 \|", Output);
    }

    [Fact]
    public void ModelThatIsMissing_IsTrainedAndSaved()
    {
        var loader = new ModelLoader(Console(), threads: 2);
        loader.Train(Path.Combine(_folder, "new", "model.safetensors"), seconds: 0.5, TestServer.Cancellation);
        using var served = loader.Load(Path.Combine(_folder, "new", "model.safetensors"));
        Assert.Matches("^fp_[0-9a-f]{12}$", served.Fingerprint);
        Assert.Contains("There is no model at", Output, StringComparison.Ordinal);
        Assert.Contains("200,019 tokens", Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("samples/LanguageModel -- --checkpoint", "--checkpoint", "/nowhere/model.safetensors")]
    [InlineData("--allow-remote", "--urls", "http://0.0.0.0:5080")]
    [InlineData("--max-batch is 0", "--max-batch", "0")]
    [InlineData("from 1 to 1024", "load", "--clients", "0")]
    [InlineData("write budget:N", "--burst-policy", "budget:0")]
    [InlineData("--burst-queue is 0", "--burst-policy", "head-only", "--burst-queue", "0")]
    [InlineData("give --burst-policy as well", "load", "--burst-wait", "100")]
    public void WrongOption_IsAnErrorThatSaysHowToMendIt(string part, params string[] arguments)
    {
        var parsed = CommandLine.CreateRoot(Console()).Parse(arguments);
        Assert.Contains(part, string.Join("\n", parsed.Errors.Select(error => error.Message)), StringComparison.Ordinal);
    }

    private string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    private Match Address() => AddressPattern().Match(Output);

    private Task<int> RunAsync(CancellationToken cancellation, params string[] arguments) =>
        Task.Run(() => CommandLine.RunAsync(arguments, Console(), cancellation), TestServer.Cancellation);

    private IAnsiConsole Console()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(new LockedWriter(_output)), Interactive = InteractionSupport.No, Ansi = AnsiSupport.No });
        console.Profile.Width = 200;
        return console;
    }

    [GeneratedRegex(@"Listening on (http://127\.0\.0\.1:\d+/);")]
    private static partial Regex AddressPattern();

    /// <summary>The server writes in one thread while the test reads in another.</summary>
    private sealed class LockedWriter(StringWriter inner) : TextWriter
    {
        public override Encoding Encoding => inner.Encoding;

        public override void Write(char value)
        {
            lock (inner) inner.Write(value);
        }
    }
}
