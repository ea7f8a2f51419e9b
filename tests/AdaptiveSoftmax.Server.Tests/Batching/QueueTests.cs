using System.Net;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class QueueTests
{
    private static readonly JsonObject s_request = new() { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 4 };

    [Fact]
    public async Task FullQueue_RefusesWith429_AndTakesRequestsAgainWhenThereIsRoom()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 1, MaxQueue = 2 }, gate);
        gate.Close();
        var active = server.PostAsync(s_request);
        await Wait.UntilAsync(() => gate.Steps == 1);
        Task<JsonNode>[] waiting = [server.PostAsync(s_request), server.PostAsync(s_request)];
        await Wait.UntilAsync(() => server.Engine is { Active: 1, Waiting: 2 });

        using var refused = await server.PostRawAsync(s_request.ToJsonString());
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Contains("rate_limit_exceeded", await refused.Content.ReadAsStringAsync(TestServer.Cancellation), StringComparison.Ordinal);

        gate.Allow();
        foreach (var answer in new[] { active }.Concat(waiting)) Assert.Equal(" cat sat on the", (await answer).Text());
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_request)).Text());
    }

    [Fact]
    public async Task Request_IsTakenWholeOrNotAtAll()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 2, MaxQueue = 1 }, gate);
        gate.Close();
        var first = server.PostAsync(s_request);
        await Wait.UntilAsync(() => gate.Steps == 1);
        var three = s_request.DeepClone().AsObject();
        three["n"] = 3;
        Assert.Equal(429, (await server.RefusedAsync(three.ToJsonString())).Status);
        Assert.Equal((1, 0), (server.Engine.Active, server.Engine.Waiting));
        three["n"] = 4;
        // More than the server ever takes will not fit later either.
        Assert.Equal(400, (await server.RefusedAsync(three.ToJsonString())).Status);
        gate.Allow();
        await first;
        three["n"] = 3;
        Assert.Equal(3, (await server.PostAsync(three))["choices"]!.AsArray().Count);
    }

    [Fact]
    public async Task ContinuationsJoinAndLeaveBetweenSteps()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(gate: gate);
        gate.Close();
        var longer = server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 30 });
        await Wait.UntilAsync(() => gate.Steps == 1);
        gate.Allow(5);
        await Wait.UntilAsync(() => gate.Steps == 6);

        // Comes six steps later and ends long before the first.
        var shorter = server.PostAsync(s_request);
        await Wait.UntilAsync(() => server.Engine.Waiting == 1);
        gate.Allow(5);
        Assert.Equal(" cat sat on the", (await shorter).Text());
        Assert.False(longer.IsCompleted);
        gate.Allow();
        Assert.Equal(30, (int)(await longer)["usage"]!["completion_tokens"]!);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ClientThatLeaves_FreesItsPlaceAtOnce(bool streams)
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 1, MaxQueue = 1 }, gate);
        gate.Close();
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancellation);
        Task Ask() => streams ? server.OpenStreamAsync(s_request, leaving.Token) : server.Client.PostAsync(new Uri("v1/completions", UriKind.Relative), new StringContent(s_request.ToJsonString(), System.Text.Encoding.UTF8, "application/json"), leaving.Token);
        var active = Ask();
        await Wait.UntilAsync(() => gate.Steps == 1);
        var waiting = Ask();
        await Wait.UntilAsync(() => server.Engine is { Active: 1, Waiting: 1 });

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => active);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        // The step under way still stands, and the places are free all the same.
        await Wait.UntilAsync(() => server.Engine is { Active: 0, Waiting: 0 });
        Assert.Equal(1, gate.Steps);
        var next = server.PostAsync(s_request);
        await Wait.UntilAsync(() => server.Engine.Waiting == 1);
        gate.Allow();
        Assert.Equal(" cat sat on the", (await next).Text());
        // One step that nobody waits for any more, and four of the last request.
        Assert.Equal(5, gate.Steps);
    }

    [Fact]
    public async Task FailedStep_EndsItsRequestsWithAnError_AndTheNextOnesAreAnswered()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(gate: gate);
        gate.FailOnce(new InvalidOperationException("the model is broken"));
        var (status, error) = await server.RefusedAsync(s_request.ToJsonString());
        Assert.Equal((500, "server_error"), (status, (string)error["type"]!));
        Assert.DoesNotContain("broken", (string)error["message"]!, StringComparison.Ordinal);
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_request)).Text());

        // In a stream that has begun, the error is its last event.
        gate.Close();
        var opening = server.OpenStreamAsync(s_request, TestServer.Cancellation);
        gate.Allow(1);
        using var response = await opening;
        gate.FailOnce(new InvalidOperationException("the model is broken"));
        gate.Allow();
        var body = await response.Content.ReadAsStringAsync(TestServer.Cancellation);
        Assert.Contains("data: {\"error\":", body, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", body, StringComparison.Ordinal);
        Assert.Equal(" cat sat on the", (await server.PostAsync(s_request)).Text());
    }
}
