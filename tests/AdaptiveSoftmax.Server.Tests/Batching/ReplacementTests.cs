using System.Text.Json.Nodes;
using AdaptiveSoftmax.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>A model that takes another's place while the server works.</summary>
public sealed class ReplacementTests
{
    [Fact]
    [MoreAtNight]
    public async Task UnderLoad_LosesNothing_AndNoAnswerIsOfTwoModels()
    {
        var (clientCount, replacements) = (Nightly.Count(8, 64), Nightly.Count(12, 500));
        var random = new Random(23);
        JsonObject[] requests = [.. Enumerable.Range(0, 24).Select(_ => Requests.Random(random))];
        foreach (var request in requests) request["logprobs"] = 5;
        Dictionary<string, string[]> expected = [];
        foreach (var create in new[] { TinyModel.Create, TinyModel.CreateSuccessor })
        {
            await using var alone = await TestServer.StartAsync(create: create);
            var answers = new List<string>();
            foreach (var request in requests) answers.Add((await alone.PostAsync(request)).Choices());
            expected.Add(alone.Model.Fingerprint, [.. answers]);
        }

        Assert.Equal(2, expected.Count);
        List<ServedModel> former = [];
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 12, MaxQueue = 10_000 });
        var isOver = 0;
        Task<int>[] clients = [.. Enumerable.Range(0, clientCount).Select(client => Task.Run(() => AskAsync(client)))];
        await ReplaceAsync();
        var counts = await Task.WhenAll(clients);
        Assert.True(counts.Sum() > clientCount);
        Assert.Equal(0, server.Engine.Active + server.Engine.Waiting + server.Engine.Paused);

        // The engine lets go of a model when it next looks around, which a replacement has it do.
        await Wait.UntilAsync(() => former.All(IsDisposed));
        Assert.False(IsDisposed(server.Models.Model));

        async Task<int> AskAsync(int client)
        {
            var count = 0;
            for (var i = client; Volatile.Read(ref isOver) == 0 || count == 0; i++, count++)
            {
                var request = requests[i % requests.Length];
                var (fingerprint, choices) = i % 2 == 0 ? Read(await server.PostAsync(request)) : Read(await server.StreamAsync(request));
                Assert.Equal(expected[fingerprint][i % requests.Length], choices);
            }

            return count;
        }

        async Task ReplaceAsync()
        {
            for (var i = 0; i < replacements; i++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(30), TestServer.Cancellation);
                former.Add(server.Models.Model);
                server.Models.Replace(i % 2 == 0 ? TinyModel.CreateSuccessor() : TinyModel.Create());
            }

            Volatile.Write(ref isOver, 1);
        }
    }

    [Fact]
    public async Task AnswerUnderWay_EndsWithTheModelItBeganWith_WhileNewOnesHaveTheNext()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(gate: gate);
        var first = server.Model;
        var request = new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 20 };
        var alone = (await server.PostAsync(request)).Choices();
        gate.Close();
        var underWay = server.PostAsync(request);
        await Wait.UntilAsync(() => server.Engine.Active == 1);
        server.Models.Replace(TinyModel.CreateSuccessor());
        var next = server.PostAsync(request);
        await Wait.UntilAsync(() => server.Engine.Active + server.Engine.Waiting == 2);
        Assert.False(IsDisposed(first));
        gate.Allow();

        var answer = await underWay;
        Assert.Equal((first.Fingerprint, alone), ((string)answer["system_fingerprint"]!, answer.Choices()));
        answer = await next;
        Assert.Equal(server.Models.Model.Fingerprint, (string)answer["system_fingerprint"]!);
        Assert.NotEqual(alone, answer.Choices());
        await Wait.UntilAsync(() => IsDisposed(first));

        // What the page says of clusters is said of those that are there now.
        var monitor = JsonNode.Parse(await server.Client.GetStringAsync(new Uri("monitor", UriKind.Relative), TestServer.Cancellation))!;
        Assert.Equal(4, monitor["live"]!["clusters"]!.AsArray().Count);
        Assert.Equal(server.Models.Model.Fingerprint, (string)monitor["fingerprint"]!);
    }

    [Fact]
    public async Task Watch_TakesUpFilesThatAreReplaced_AndKeepsTheModelWhereTheyCannotBeLoaded()
    {
        var source = new FakeSource();
        try
        {
            using var models = new CurrentModel(TinyModel.Create());
            var (first, replaced) = (models.Model, 0);
            models.Replaced += () => Interlocked.Increment(ref replaced);
            using var watch = new ModelWatch(source, ModelWatch.Look(source), models, TimeSpan.FromMilliseconds(10), TimeProvider.System, NullLogger<ModelWatch>.Instance);
            await watch.StartAsync(TestServer.Cancellation);

            source.Failure = new InvalidDataException("Not whole.");
            await ChangeUntilAsync("a", () => source.Loads > 0);
            Assert.Same(first, models.Model);
            source.Failure = null;
            await ChangeUntilAsync("longer", () => replaced > 0);
            Assert.NotEqual(first.Fingerprint, models.Model.Fingerprint);
            await watch.StopAsync(TestServer.Cancellation);

            async Task ChangeUntilAsync(string text, Func<bool> condition)
            {
                // The watch may not have looked yet when a file first changes.
                for (var i = 0; !condition(); i++)
                {
                    await File.WriteAllTextAsync(source.Path, text + new string('x', i), TestServer.Cancellation);
                    for (var wait = 0; wait < 100 && !condition(); wait++) await Task.Delay(10, TestServer.Cancellation);
                }
            }
        }
        finally
        {
            File.Delete(source.Path);
        }
    }

    [Fact]
    public async Task Watch_TakesUpWhatWasReplacedWhileTheFirstModelWasLoaded()
    {
        var source = new FakeSource();
        try
        {
            var seen = ModelWatch.Look(source);
            using var models = new CurrentModel(TinyModel.Create());
            var first = models.Model.Fingerprint;
            await File.WriteAllTextAsync(source.Path, "longer", TestServer.Cancellation);
            using var watch = new ModelWatch(source, seen, models, TimeSpan.FromMilliseconds(10), TimeProvider.System, NullLogger<ModelWatch>.Instance);
            await watch.StartAsync(TestServer.Cancellation);
            await Wait.UntilAsync(() => models.Model.Fingerprint != first);
            await watch.StopAsync(TestServer.Cancellation);
            Assert.Equal(1, source.Loads);
        }
        finally
        {
            File.Delete(source.Path);
        }
    }

    private static (string Fingerprint, string Choices) Read(JsonNode answer) => ((string)answer["system_fingerprint"]!, answer.Choices());

    private static (string Fingerprint, string Choices) Read(IReadOnlyList<JsonNode> events) =>
        (events.Select(each => (string)each["system_fingerprint"]!).Distinct().Single(), Answers.Join(events));

    private static bool IsDisposed(ServedModel model)
    {
        try
        {
            model.Model.Softmax.Predict(new float[model.Model.Layout.HiddenSize]);
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private sealed class FakeSource : IModelSource
    {
        private int _loads;

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public IReadOnlyList<string> Files => [Path];

        public int Loads => Volatile.Read(ref _loads);

        public Exception? Failure { get; set; }

        public ServedModel Load()
        {
            Interlocked.Increment(ref _loads);
            return Failure is { } failure ? throw failure : TinyModel.CreateSuccessor();
        }
    }
}
