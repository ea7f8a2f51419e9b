using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class MonitorTests
{
    [Fact]
    public async Task Snapshot_CountsTokensTailsAndRequests()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(gate: gate);
        var request = new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 60 };
        var tokens = (int)(await server.PostAsync(request))["usage"]!["completion_tokens"]!;
        await server.RefusedAsync("""{"n": 0}""");
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancellation);
        gate.Close();
        var left = server.OpenStreamAsync(request, leaving.Token);
        await Wait.UntilAsync(() => server.Engine.Active == 1);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await Wait.UntilAsync(async () => (long)(await SnapshotAsync(server))["live"]!["cancelled"]! == 1);
        gate.Allow();

        var live = (await SnapshotAsync(server))["live"]!;
        Assert.Equal((1, 1, 0), ((long)live["completed"]!, (long)live["refused"]!, (long)live["failed"]!));
        var clusters = live["clusters"]!.AsArray();
        Assert.Equal(["head", "tail0", "tail1"], clusters.Select(cluster => (string)cluster!["name"]!));
        Assert.InRange(clusters.Sum(cluster => (long)cluster!["tokens"]!), tokens, tokens + 1);
        foreach (var cluster in clusters)
        {
            var latency = cluster!["latency"]!;
            Assert.InRange((double)latency["p50"]!, double.Epsilon, (double)latency["p90"]!);
            Assert.InRange((double)latency["p90"]!, double.Epsilon, (double)latency["p99"]!);
            Assert.Equal((long)cluster["tokens"]!, cluster["tailsVisited"]!.AsArray().Sum(count => (long)count!));
        }

        // A token of a tail needs at least that tail.
        Assert.Equal(0, (long)clusters[1]!["tailsVisited"]![0]!);
        Assert.Equal(1, (int)live["request"]!["count"]!);
        await Wait.UntilAsync(async () => (await SnapshotAsync(server))["live"]!["tokensPerSecond"]!.AsArray().Sum(count => (long)count!) >= tokens);
    }

    [Fact]
    public async Task Drift_IsWatchedByUser()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { Drift = new DriftOptions { MinimumTokens = 200, WindowTokens = 4000, EvaluateEvery = 100 } });
        var found = new List<string>();
        server.Drift.Monitor.DriftDetected += (_, drift) => found.Add(drift.Report.Tag);
        // One as if drawn from the table, whose counts are nearly equal, with its clusters mixed; one that has a single letter.
        for (var i = 0; i < 4; i++)
        {
            await server.PostAsync(new JsonObject { ["prompt"] = new JsonArray([.. Enumerable.Range(0, 268).Select(id => JsonValue.Create(id * 5 % 268))]), ["max_tokens"] = 1, ["user"] = "planned" });
            await server.PostAsync(new JsonObject { ["prompt"] = new string('z', 300), ["max_tokens"] = 1, ["user"] = "zebra" });
        }

        Assert.Equal(["zebra"], found);
        var drift = (await SnapshotAsync(server))["drift"]!.AsArray().ToDictionary(tag => (string)tag!["tag"]!);
        Assert.True((bool)drift["zebra"]!["isDrifted"]!);
        Assert.False((bool)drift["planned"]!["isDrifted"]!);
        Assert.Equal("z", (string)drift["zebra"]!["risen"]![0]!);
        Assert.Equal(1204, (long)drift["zebra"]!["tokens"]!);
        Assert.Equal(1.0, drift["zebra"]!["expected"]!.AsArray().Sum(share => (double)share!), 1e-9);
    }

    [Fact]
    public async Task NewUser_TakesThePlaceOfTheOneThatWasAwayForLongest()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { Drift = new DriftOptions { MinimumTokens = 200, WindowTokens = 4000, MaximumTags = 3 } });
        async Task<string[]> AskAs(string user)
        {
            var count = server.Drift.Monitor.Tokens;
            await server.PostAsync(new JsonObject { ["prompt"] = "the cat", ["max_tokens"] = 1, ["user"] = user });
            await Wait.UntilAsync(() => server.Drift.Monitor.Tokens > count);
            return [.. server.Drift.Monitor.Tags];
        }

        await AskAs("a");
        await AskAs("b");
        Assert.Equal(["a", "b", "c"], await AskAs("c"));
        await AskAs("a");
        Assert.Equal(["a", "c", "d"], await AskAs("d"));
        for (var i = 0; i < 100; i++) await AskAs($"stranger {i}");
        Assert.Equal(["a", "stranger 98", "stranger 99"], await AskAs("a"));
        Assert.Equal(0, server.Drift.Monitor.OtherTokens);
        Assert.Equal(["a", "stranger 98", "stranger 99"], (await SnapshotAsync(server))["drift"]!.AsArray().Select(tag => (string)tag!["tag"]!));
    }

    private static async Task<JsonNode> SnapshotAsync(TestServer server) =>
        JsonNode.Parse(await server.Client.GetStringAsync(new Uri("monitor", UriKind.Relative), TestServer.Cancellation))!;
}
