using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Clients that do not read what they asked for.</summary>
public sealed class SlowReaderTests
{
    // More than sockets hold: sixteen continuations that do not end by themselves, with all log-probs.
    private static readonly JsonObject s_large = new()
    {
        ["prompt"] = "the",
        ["n"] = 16,
        ["max_tokens"] = 2048,
        ["logprobs"] = 5,
        ["seed"] = 1,
        ["logit_bias"] = new JsonObject { [$"{TinyModel.EndOfText}"] = -100 },
    };

    private static readonly JsonObject s_small = new() { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 4 };

    [Fact]
    public async Task UnreadStream_IsPaused_WhileOthersAreAnswered_AndGoesOnWhenItIsRead()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxQueue = 1, MaxTokens = 2048, MaxUnsent = 64, ContestedReadTime = TimeSpan.FromHours(1) });
        using var client = await AskAsync(server, streams: true);
        // Sockets take some first.
        await Wait.UntilAsync(async () => (int)(await SnapshotAsync(server))["paused"]! == 16);
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_small)).Text());
        // The places of the paused are taken all the same.
        var two = s_small.DeepClone().AsObject();
        two["n"] = 2;
        Assert.Equal(429, (await server.RefusedAsync(two.ToJsonString())).Status);
        var events = Events(await ReadToEndAsync(client));
        Assert.Equal("[DONE]", events[^1]);
        await Wait.UntilAsync(() => server.Engine is { Paused: 0, Unsent: 0, Active: 0, Waiting: 0 });
        Assert.Equal((await server.PostAsync(s_large)).Choices(), Answers.Join(events.SkipLast(1).Select(each => JsonNode.Parse(each)!)));
    }

    [Fact]
    public async Task UnreadStream_EndsWithAnError_WhenItsTimeIsOver()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxQueue = 0, MaxTokens = 2048, MaxUnsent = 64, ReadTime = TimeSpan.FromMilliseconds(50) });
        using var client = await AskAsync(server, streams: true);
        await Wait.UntilAsync(async () => (long)(await SnapshotAsync(server))["live"]!["unread"]! == 1);
        Assert.Equal((0, 0, 0, 0), (server.Engine.Active, server.Engine.Waiting, server.Engine.Paused, server.Engine.Unsent));
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_small)).Text());
        var events = Events(await ReadToEndAsync(client));
        Assert.Equal("answer_not_read", (string?)JsonNode.Parse(events[^1])!["error"]!["code"]);
        Assert.All(events.SkipLast(1), each => Assert.NotNull(JsonNode.Parse(each)!["choices"]));
    }

    [Fact]
    public async Task UnreadAnswer_KeepsItsPlaces_UntilItsTimeIsOver()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxTokens = 2048, MaxQueue = 0, ReadTime = TimeSpan.FromHours(1), ContestedReadTime = TimeSpan.FromHours(1) });
        using (var client = await AskAsync(server, streams: false))
        {
            await Wait.UntilAsync(() => server.Engine.Unsent == 16);
            Assert.Equal(429, (await server.RefusedAsync(s_small.ToJsonString())).Status);
            Assert.Contains("\"finish_reason\":\"length\"", await ReadToEndAsync(client), StringComparison.Ordinal);
        }

        await Wait.UntilAsync(() => server.Engine.Unsent == 0);

        await using var impatient = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxTokens = 2048, MaxQueue = 0, ReadTime = TimeSpan.FromMilliseconds(50) });
        using var other = await AskAsync(impatient, streams: false);
        await Wait.UntilAsync(async () => (long)(await SnapshotAsync(impatient))["live"]!["unread"]! == 1);
        Assert.Equal(" cat sat on the", (await impatient.PostAsync(s_small)).Text());
    }

    /// <summary>Slow clients hold all places; another comes, and has one at once.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task UnreadAnswers_GiveTheirPlacesToWhoeverFindsNone(bool streams)
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxQueue = 16, MaxTokens = 2048, MaxUnsent = 64, ReadTime = TimeSpan.FromHours(1), ContestedReadTime = TimeSpan.Zero });
        using var first = await AskAsync(server, streams);
        // A stream is held up for moments already while the system still takes what is sent.
        var since = Stopwatch.GetTimestamp();
        await Wait.UntilAsync(() =>
        {
            if (Held() != 16) since = Stopwatch.GetTimestamp();
            return Stopwatch.GetElapsedTime(since) > TimeSpan.FromSeconds(0.5);
        });
        using var second = await AskAsync(server, streams);
        await Wait.UntilAsync(() => Held() == 32);

        // Nobody else asked for one, so all have theirs. The longest unread answer alone gives way.
        await Wait.UntilAsync(async () =>
        {
            using var response = await server.PostRawAsync(s_small.ToJsonString());
            return response.StatusCode == HttpStatusCode.OK;
        });
        await Wait.UntilAsync(async () => (long)(await SnapshotAsync(server))["live"]!["unread"]! == 1);
        await Wait.UntilAsync(() => Held() == 16);
        if (!streams) return;
        var events = Events(await ReadToEndAsync(first));
        var error = JsonNode.Parse(events[^1])!["error"]!;
        Assert.Equal("answer_not_read", (string?)error["code"]);
        Assert.Contains("while others find no place", (string?)error["message"], StringComparison.Ordinal);
        Assert.Equal("[DONE]", Events(await ReadToEndAsync(second))[^1]);

        int Held() => server.Engine.Paused + server.Engine.Unsent;
    }

    [Fact]
    public async Task BodyThatDoesNotCome_IsRefused_WhileOthersAreServed()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { BodyTime = TimeSpan.FromMilliseconds(200) });
        var clients = new List<TcpClient>();
        for (var i = 0; i < 20; i++)
        {
            var client = new TcpClient();
            clients.Add(client);
            await client.ConnectAsync(IPAddress.Loopback, server.Address.Port, TestServer.Cancellation);
            await client.GetStream().WriteAsync("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"u8.ToArray(), TestServer.Cancellation);
        }

        Assert.Equal(" cat sat on the", (await server.PostAsync(s_small)).Text());
        foreach (var client in clients)
        {
            using var reader = new StreamReader(client.GetStream());
            Assert.Equal("HTTP/1.1 408 Request Timeout", await reader.ReadLineAsync(TestServer.Cancellation));
            client.Dispose();
        }
    }

    [Fact]
    public async Task ClientThatLeavesAPausedStream_FreesItsPlaces()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxQueue = 0, MaxTokens = 2048, MaxUnsent = 64 });
        using (await AskAsync(server, streams: true)) await Wait.UntilAsync(() => server.Engine.Paused == 16);
        await Wait.UntilAsync(() => server.Engine is { Paused: 0, Active: 0, Unsent: 0 });
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_small)).Text());
    }

    [Fact]
    public async Task Shutdown_EndsPausedStreamsWithAnError()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 16, MaxQueue = 0, MaxTokens = 2048, MaxUnsent = 64, ShutdownTime = TimeSpan.Zero });
        using var client = await AskAsync(server, streams: true);
        await Wait.UntilAsync(() => server.Engine.Paused == 16);
        var stopping = server.StopAsync();
        var events = Events(await ReadToEndAsync(client));
        Assert.Equal("shutting_down", (string?)JsonNode.Parse(events[^1])!["error"]!["code"]);
        await stopping;
    }

    [Fact]
    public async Task MoreConnectionsThanAllowed_AreClosed()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxConnections = 1 });
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_small)).Text());
        // The test's client keeps its connection.
        using var second = new HttpClient { BaseAddress = server.Address };
        await Assert.ThrowsAsync<HttpRequestException>(() => second.GetAsync(new Uri("healthz", UriKind.Relative), TestServer.Cancellation));
    }

    // A client that says that it has little room, and reads nothing yet.
    private static async Task<TcpClient> AskAsync(TestServer server, bool streams)
    {
        var request = s_large.DeepClone().AsObject();
        request["stream"] = streams;
        var body = request.ToJsonString();
        var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, server.Address.Port, TestServer.Cancellation);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"), TestServer.Cancellation);
        return client;
    }

    // The body, put together from its chunks.
    private static async Task<string> ReadToEndAsync(TcpClient client)
    {
        using var all = new MemoryStream();
        await client.GetStream().CopyToAsync(all, TestServer.Cancellation);
        var bytes = all.ToArray();
        var position = bytes.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        using var body = new MemoryStream();
        while (true)
        {
            var line = bytes.AsSpan(position).IndexOf("\r\n"u8);
            var length = Convert.ToInt32(Encoding.ASCII.GetString(bytes, position, line), 16);
            if (length == 0) return Encoding.UTF8.GetString(body.ToArray());
            body.Write(bytes, position + line + 2, length);
            position += line + length + 4;
        }
    }

    private static string[] Events(string body) => [.. body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(each => each["data: ".Length..])];

    private static async Task<JsonNode> SnapshotAsync(TestServer server) =>
        JsonNode.Parse(await server.Client.GetStringAsync(new Uri("monitor", UriKind.Relative), TestServer.Cancellation))!;
}
