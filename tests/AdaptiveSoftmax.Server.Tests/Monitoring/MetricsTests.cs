using System.Globalization;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>A process has its measures in one place, where servers of tests that run beside this one would be counted, until they end.</summary>
[CollectionDefinition(nameof(MetricsTests), DisableParallelization = true)]
[Collection(nameof(MetricsTests))]
public sealed class MetricsTests
{
    [Fact]
    public async Task Prometheus_GetsTheServersMeasuresAndTheLibrarys()
    {
        await using var server = await TestServer.StartAsync();
        var before = await ScrapeAsync(server);
        await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 60 });
        await server.RefusedAsync("""{"n": 0}""");
        // What a request took is reported once its answer is sent, and a scrape may be some hundred milliseconds old.
        var after = before;
        await Wait.UntilAsync(async () =>
        {
            after = await ScrapeAsync(server);
            return Sum(after, "gen_ai_server_request_duration_seconds_count", []) > Sum(before, "gen_ai_server_request_duration_seconds_count", [])
                && Sum(after, "adaptive_softmax_server_refused_total", []) > Sum(before, "adaptive_softmax_server_refused_total", [])
                && Sum(after, "http_server_request_duration_seconds_count", ["http_route=\"/v1/completions\""]) >= 2;
        });

        void HasGrown(string name, double least, params string[] tags) =>
            Assert.True(Sum(after, name, tags) - Sum(before, name, tags) >= least, $"{name}: {Sum(before, name, tags)} and {Sum(after, name, tags)}");
        HasGrown("gen_ai_server_request_duration_seconds_count", 1, "outcome=\"completed\"", "gen_ai_request_model=\"tiny\"");
        HasGrown("gen_ai_server_time_to_first_token_seconds_count", 1);
        HasGrown("adaptive_softmax_server_token_duration_seconds_count", 20, "cluster=\"head\"");
        HasGrown("adaptive_softmax_server_token_duration_seconds_count", 5, "cluster=\"tail0\"");
        HasGrown("adaptive_softmax_server_token_duration_seconds_count", 5, "cluster=\"tail1\"");
        HasGrown("adaptive_softmax_server_batch_size_count", 40);
        HasGrown("adaptive_softmax_server_tokens_total", 1, "type=\"prompt\"");
        HasGrown("adaptive_softmax_server_tokens_total", 40, "type=\"completion\"");
        HasGrown("adaptive_softmax_server_refused_total", 1, "http_response_status_code=\"400\"");
        HasGrown("adaptive_softmax_decode_tokens_total", 20, "cluster=\"head\"");
        HasGrown("adaptive_softmax_decode_tails_visited_total", 5, "cluster=\"tail0\"");
        HasGrown("adaptive_softmax_decode_batch_duration_seconds_count", 40);
        HasGrown("http_server_request_duration_seconds_count", 1, "http_route=\"/v1/completions\"");
        Assert.Contains(after, line => line.StartsWith("adaptive_softmax_server_active", StringComparison.Ordinal));
        Assert.Contains(after, line => line.StartsWith("adaptive_softmax_server_waiting", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("head-only", "some")]
    [InlineData("budget:9", "none")]
    public async Task Bursts_AreMeasured(string policy, string unseen)
    {
        var gate = new StepGate();
        var burst = BurstOptions.TryParse(policy, out _)! with { Queue = 1, Calm = TimeSpan.FromHours(1) };
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 2, Burst = burst }, gate);
        var own = $"policy=\"{policy}\"";
        Assert.Equal(0, Sum(await ScrapeAsync(server), "adaptive_softmax_server_burst_in_force", [own]));
        var request = new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 10, ["logit_bias"] = new JsonObject { [$"{TinyModel.EndOfText}"] = -100 } };

        // What is not in a burst counts for none.
        await server.PostAsync(request);
        await Wait.UntilAsync(async () => Sum(await ScrapeAsync(server), "gen_ai_server_request_duration_seconds_count", []) >= 1);
        Assert.Equal(0, Sum(await ScrapeAsync(server), "adaptive_softmax_server_burst_requests_total", [own]));
        var steps = gate.Steps;
        gate.Close();
        var answers = new List<Task<JsonNode>> { server.PostAsync(request) };
        await Wait.UntilAsync(() => gate.Steps == steps + 1);
        answers.AddRange([server.PostAsync(request), server.PostAsync(request)]);
        await Wait.UntilAsync(() => server.Engine.Waiting == 2);
        gate.Allow(2);
        await Wait.UntilAsync(() => gate.Steps == steps + 3);
        await Wait.UntilAsync(async () => Sum(await ScrapeAsync(server), "adaptive_softmax_server_burst_in_force", [own]) == 1);
        gate.Allow();
        await Task.WhenAll(answers);
        var after = Array.Empty<string>();
        await Wait.UntilAsync(async () =>
        {
            after = await ScrapeAsync(server);
            return Sum(after, "adaptive_softmax_server_burst_requests_total", [own]) == 3
                && Sum(after, "adaptive_softmax_server_burst_in_force", [own]) == 0;
        });

        // Nine of the first request and all of the others, whose text has most of its tokens in tails; two of them in one step.
        Assert.Equal(29, Sum(after, "adaptive_softmax_server_burst_tokens_total", [own]));
        Assert.Equal(1, Sum(after, "adaptive_softmax_server_bursts_total", [own]));
        Assert.Equal(3, Sum(after, "adaptive_softmax_server_burst_requests_total", [own, $"unseen=\"{unseen}\""]));
        var mass = 0.0;
        foreach (var answer in answers) mass += 10 * (double)(await answer)["usage"]!["decoding"]!["unseen_mass"]!;
        Assert.Equal(unseen == "some", mass > 0);
        Assert.Equal(mass, Sum(after, "adaptive_softmax_server_burst_unseen_mass_total", [own]), 1e-4);
    }

    private static async Task<string[]> ScrapeAsync(TestServer server) =>
        (await server.Client.GetStringAsync(new Uri("metrics", UriKind.Relative), TestServer.Cancellation)).Split('\n');

    private static double Sum(string[] lines, string name, string[] tags) => lines
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) && tags.All(tag => line.Contains(tag, StringComparison.Ordinal)))
        .Sum(line => double.Parse(line[(line.LastIndexOf('}') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture));
}
