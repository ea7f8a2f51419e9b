using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class StreamingTests
{
    [Fact]
    public async Task Stream_IsTheWholeAnswerInParts()
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(3);
        for (var i = 0; i < 60; i++)
        {
            var request = Requests.Random(random);
            var whole = await server.PostAsync(request);
            var events = await server.StreamAsync(request);
            Assert.Equal(whole.Choices(), Answers.Join(events));
            Assert.Single(events.Select(each => (string)each["id"]!).Distinct());
            Assert.All(events, each => Assert.False(each.AsObject().ContainsKey("usage")));
        }
    }

    [Fact]
    public async Task EveryEvent_HasWholeCharactersAndAtLeastOne()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(new JsonObject { ["prompt"] = " on the mat.", ["temperature"] = 0, ["max_tokens"] = 40 });
        var texts = events.Select(each => each.Text()).ToArray();
        Assert.Equal(" Größe: 你好, 🙂! then the cat ran off.", string.Concat(texts));
        Assert.Contains("ö", texts);
        Assert.Contains("你", texts);
        Assert.Contains("🙂", texts);
        Assert.All(texts.SkipLast(1), text => Assert.NotEmpty(text));
        Assert.Equal("stop", events[^1].Finish());
        Assert.All(events.SkipLast(1), each => Assert.Null(each["choices"]![0]!["finish_reason"]));
    }

    [Fact]
    public async Task Usage_ComesLastWhereItIsAskedFor()
    {
        await using var server = await TestServer.StartAsync();
        var request = new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 5, ["stream_options"] = new JsonObject { ["include_usage"] = true, ["include_obfuscation"] = false } };
        var events = await server.StreamAsync(request);
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal("""{"prompt_tokens":1,"completion_tokens":5,"total_tokens":6}""", events[^1]["usage"]!.ToJsonString());
        // The others say that they have none, as OpenAI's do.
        Assert.All(events.SkipLast(1), each => Assert.True(each.AsObject().TryGetPropertyValue("usage", out var usage) && usage is null));
        request["stream_options"] = new JsonObject { ["include_usage"] = false, ["include_obfuscation"] = true };
        Assert.All(await server.StreamAsync(request), each => Assert.False(each.AsObject().ContainsKey("usage")));
    }

    [Fact]
    public async Task Proxies_AreToldNotToGatherEvents()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.OpenStreamAsync(new JsonObject { ["prompt"] = "the", ["max_tokens"] = 1 }, TestServer.Cancellation);
        Assert.Equal("no", response.Headers.GetValues("X-Accel-Buffering").Single());
        Assert.True(response.Headers.CacheControl!.NoCache);
    }

    [Fact]
    public async Task FirstText_ComesBeforeTheLastIsMade()
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(gate: gate);
        gate.Close();
        var opening = server.OpenStreamAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 50 }, TestServer.Cancellation);
        gate.Allow(1);
        using var response = await opening;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestServer.Cancellation));
        var first = await reader.ReadLineAsync(TestServer.Cancellation);
        Assert.Contains("\"text\":\" cat\"", first, StringComparison.Ordinal);
        // The rest is yet to be made.
        gate.Allow();
        Assert.EndsWith("data: [DONE]\n\n", await reader.ReadToEndAsync(TestServer.Cancellation), StringComparison.Ordinal);
    }
}
