using System.Net;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class ShutdownTests
{
    private static readonly JsonObject s_request = new() { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 4 };

    [Fact]
    public async Task Shutdown_AnswersWhatRunsAndWaits_AndTakesNothingNew()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 1 }, gate);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "readyz"));
        gate.Close();
        var active = server.PostAsync(s_request);
        await Wait.UntilAsync(() => gate.Steps == 1);
        var waiting = server.StreamAsync(s_request);
        await Wait.UntilAsync(() => server.Engine.Waiting == 1);

        var stopping = server.StopAsync();
        await Wait.UntilAsync(async () => await StatusAsync(server, "readyz") == HttpStatusCode.ServiceUnavailable);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "healthz"));
        var (status, error) = await server.RefusedAsync(s_request.ToJsonString());
        Assert.Equal((503, "shutting_down"), (status, (string)error["code"]!));
        Assert.False(stopping.IsCompleted);

        gate.Allow();
        Assert.Equal(" cat sat on the", (await active).Text());
        Assert.Equal(" cat sat on the", string.Concat((await waiting).Select(each => each.Text())));
        await stopping;
        await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(server, "healthz"));
    }

    [Fact]
    public async Task RequestsThatTakeTooLong_EndWithAnError()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 1, ShutdownTime = TimeSpan.FromMilliseconds(100) }, gate);
        gate.Close();
        var active = server.RefusedAsync(s_request.ToJsonString());
        await Wait.UntilAsync(() => gate.Steps == 1);
        var waiting = server.RefusedAsync(s_request.ToJsonString());
        await Wait.UntilAsync(() => server.Engine.Waiting == 1);
        var stopping = server.StopAsync();
        Assert.Equal(503, (await active).Status);
        Assert.Equal(503, (await waiting).Status);
        gate.Allow();
        await stopping;
    }

    private static async Task<HttpStatusCode> StatusAsync(TestServer server, string path)
    {
        using var response = await server.Client.GetAsync(new Uri(path, UriKind.Relative), TestServer.Cancellation);
        return response.StatusCode;
    }
}
