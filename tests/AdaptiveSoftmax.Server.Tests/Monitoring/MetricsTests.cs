using System.Globalization;
using System.Text.Json.Nodes;

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

    private static async Task<string[]> ScrapeAsync(TestServer server) =>
        (await server.Client.GetStringAsync(new Uri("metrics", UriKind.Relative), TestServer.Cancellation)).Split('\n');

    private static double Sum(string[] lines, string name, string[] tags) => lines
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) && tags.All(tag => line.Contains(tag, StringComparison.Ordinal)))
        .Sum(line => double.Parse(line[(line.LastIndexOf('}') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture));
}
