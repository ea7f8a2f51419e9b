using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class LoadTestTests
{
    [Fact]
    public async Task RightAnswers_AreCountedAndTimed()
    {
        await using var server = await TestServer.StartAsync();
        var test = new LoadTest(server.Client, LoadRequests.Create(12, maxTokens: 20));
        await test.PrepareAsync(TestServer.Cancellation);
        var level = await test.RunAsync(clients: 6, count: 50, TestServer.Cancellation);
        Assert.Equal((6, 50, 0), (level.Clients, level.Requests, level.Wrong));
        Assert.True(level.TokensPerSecond > level.RequestsPerSecond);
        Assert.InRange(level.FirstText.P50, double.Epsilon, level.Request.P99);
    }

    [Fact]
    public async Task AnswersOfOthers_AreFound()
    {
        await using var server = await TestServer.StartAsync();
        using var crossing = new CrossingHandler { InnerHandler = new HttpClientHandler() };
        using var client = new HttpClient(crossing) { BaseAddress = server.Address };
        var test = new LoadTest(client, LoadRequests.Create(12, maxTokens: 20));
        await test.PrepareAsync(TestServer.Cancellation);
        crossing.Crosses = true;
        var level = await test.RunAsync(clients: 3, count: 24, TestServer.Cancellation);
        Assert.True(level.Wrong > 0);
    }

    [Fact]
    public async Task RefusedRequest_EndsTheTest()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 1, MaxQueue = 0 }, gate);
        var test = new LoadTest(server.Client, LoadRequests.Create(4, maxTokens: 4));
        await test.PrepareAsync(TestServer.Cancellation);
        gate.Close();
        var running = test.RunAsync(clients: 2, count: 8, TestServer.Cancellation);
        await Wait.UntilAsync(() => running.IsCompleted || gate.Steps > 0 && server.Engine.Active == 1);
        await Wait.UntilAsync(async () => JsonNode.Parse(await server.Client.GetStringAsync(new Uri("monitor", UriKind.Relative), TestServer.Cancellation))!["live"]!["refused"]!.GetValue<long>() > 0);
        gate.Allow();
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => running);
        Assert.Contains("429", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Sends another seed than the one asked for.</summary>
    private sealed class CrossingHandler : DelegatingHandler
    {
        public bool Crosses { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (!Crosses) return await base.SendAsync(request, cancellationToken);
            var body = JsonNode.Parse(await request.Content!.ReadAsStringAsync(cancellationToken))!;
            body["prompt"] = "another";
            body["temperature"] = 1.7;
            request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
            return await base.SendAsync(request, cancellationToken);
        }
    }
}
