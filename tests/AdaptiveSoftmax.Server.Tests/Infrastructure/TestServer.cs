using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>A real server on a free port of the loopback address, with a tiny model, and a client.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private readonly StepGate? _gate;

    private TestServer(WebApplication app, ServedModel model, StepGate? gate)
    {
        (_app, Model, _gate) = (app, model, gate);
        Address = CompletionServer.AddressesOf(app).First();
        Client = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromMinutes(5) };
    }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ServedModel Model { get; }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public CurrentModel Models => _app.Services.GetRequiredService<CurrentModel>();

    public BatchEngine Engine => _app.Services.GetRequiredService<BatchEngine>();

    public PromptEncoder Encoder => _app.Services.GetRequiredService<PromptEncoder>();

    public DriftWatch Drift => _app.Services.GetRequiredService<DriftWatch>();

    /// <summary>Starts a server.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="gate">Lets it step.</param>
    /// <param name="change">Changes its model first.</param>
    /// <param name="create">Makes its model; the usual one if not given.</param>
    public static async Task<TestServer> StartAsync(ServerOptions? options = null, StepGate? gate = null, Action<ServedModel>? change = null, Func<ServedModel>? create = null)
    {
        var model = (create ?? TinyModel.Create)();
        change?.Invoke(model);
        options ??= new ServerOptions();
        // The standard address has a port that may be taken.
        if (options.Urls.SequenceEqual(new ServerOptions().Urls)) options = options with { Urls = ["http://127.0.0.1:0"] };
        var app = CompletionServer.Create(model, options, logging => logging.AddFilter(_ => false), services => gate?.Install(services));
        await app.StartAsync(Cancellation);
        return new TestServer(app, model, gate);
    }

    public Task StopAsync() => _app.StopAsync(Cancellation);

    /// <summary>Posts a body as it is.</summary>
    public async Task<HttpResponseMessage> PostRawAsync(string body, string contentType = "application/json", string path = "v1/completions")
    {
        using var content = new StringContent(body, Encoding.UTF8, contentType);
        return await Client.PostAsync(new Uri(path, UriKind.Relative), content, Cancellation);
    }

    /// <summary>Posts a request that must be answered.</summary>
    public async Task<JsonNode> PostAsync(JsonObject request, string path = "v1/completions")
    {
        using var response = await Client.PostAsJsonAsync(path, request, Cancellation);
        // Names that differ in case, such as tokens, are two.
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
        Assert.True(response.StatusCode == HttpStatusCode.OK, answer.ToJsonString());
        return answer;
    }

    /// <summary>Posts a request that must be refused.</summary>
    public async Task<(int Status, JsonNode Error)> RefusedAsync(string body, string path = "v1/completions")
    {
        using var response = await PostRawAsync(body, path: path);
        return ((int)response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>(Cancellation))!["error"]!);
    }

    /// <summary>Posts a request for a stream.</summary>
    public async Task<HttpResponseMessage> OpenStreamAsync(JsonObject request, CancellationToken cancellation, string path = "v1/completions")
    {
        var streamed = request.DeepClone().AsObject();
        streamed["stream"] = true;
        using var message = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(streamed) };
        return await Client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    /// <summary>The events of a stream up to its [DONE], which must come.</summary>
    public async Task<List<JsonNode>> StreamAsync(JsonObject request, string path = "v1/completions")
    {
        using var response = await OpenStreamAsync(request, Cancellation, path);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        await using var body = await response.Content.ReadAsStreamAsync(Cancellation);
        var events = new List<JsonNode>();
        var isDone = false;
        await foreach (var item in SseParser.Create(body).EnumerateAsync(Cancellation))
        {
            Assert.False(isDone, "Something comes behind [DONE].");
            isDone = item.Data == "[DONE]";
            if (!isDone) events.Add(JsonNode.Parse(item.Data)!);
        }

        Assert.True(isDone, "The stream ended without [DONE].");
        return events;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        // A test that fails while the engine stands still must end all the same.
        _gate?.Allow();
        await _app.DisposeAsync();
    }
}
