using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class PromptTests
{
    [Fact]
    public async Task EndlessWord_IsRefused_AndSaysWhereItBegins()
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(1);
        var characters = string.Concat(Enumerable.Range(0, 32_000).Select(_ => (char)random.Next(0x4e00, 0x9fa5)));
        foreach (var word in new[] { characters, new string('x', 30_000), new string(' ', 5000), new string('=', 5000), string.Concat(Enumerable.Repeat("/\n", 3000)) })
        {
            var (status, error) = await server.RefusedAsync(new JsonObject { ["prompt"] = "the 1" + word }.ToJsonString());
            Assert.Equal((400, "prompt", "word_too_long"), (status, (string?)error["param"], (string?)error["code"]));
            Assert.Contains("from character 5 on", (string)error["message"]!, StringComparison.Ordinal);
            Assert.InRange(((string)error["message"]!).Length, 0, 500);
        }
    }

    [Fact]
    public async Task LongestWordThatIsTaken_HasTheTokensThatTheTokenizerGivesIt()
    {
        await using var server = await TestServer.StartAsync();
        var text = string.Concat(Enumerable.Repeat("thecatsatonmat", 300))[..WireLimits.WordBytes];
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = text, ["max_tokens"] = 1 });
        Assert.Equal(TinyModel.Tokenizer.Encode(text, TestContext.Current.CancellationToken).Length, (int)answer["usage"]!["prompt_tokens"]!);
    }

    [Fact]
    public async Task PromptOfTooManyTokens_IsNotEncodedToItsEnd()
    {
        using var encoder = new PromptEncoder(new ServerOptions { MaxPromptTokens = 10 });
        var refusal = await Assert.ThrowsAsync<ApiException>(() => encoder.EncodeAsync([new Prompt("the cat sat on the mat xxxxxxx", [])], TinyModel.Tokenizer, TestServer.Cancellation));
        Assert.Contains("more than 10 tokens", refusal.Message, StringComparison.Ordinal);
        var tokens = await encoder.EncodeAsync([new Prompt(null, [1, 2])], TinyModel.Tokenizer, TestServer.Cancellation);
        Assert.Equal([1, 2], tokens.Single());
    }

    [Fact]
    public async Task LongPrompts_WaitTheirTurn_WithoutHoldingUpOthers_AndNotForClientsThatLeft()
    {
        // No long prompt is ever worked on here.
        await using var server = await TestServer.StartAsync(new ServerOptions { PromptThreads = 0, MaxBatch = 2, MaxQueue = 0 });
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancellation);
        var request = new JsonObject { ["prompt"] = string.Concat(Enumerable.Repeat("the cat ", 500)), ["max_tokens"] = 1 };
        Task<HttpResponseMessage>[] waiting = [.. Enumerable.Range(0, 2).Select(_ => server.Client.PostAsJsonAsync("v1/completions", request, leaving.Token))];
        await Wait.UntilAsync(() => server.Encoder.Waiting == 2);
        Assert.Equal(" cat sat", (await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 2 })).Text());

        // More than the server has places for do not wait either.
        Assert.Equal(429, (await server.RefusedAsync(request.ToJsonString())).Status);
        await leaving.CancelAsync();
        foreach (var each in waiting) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => each);
        await Wait.UntilAsync(() => server.Encoder.Waiting == 0);
    }

    [Fact]
    public async Task ClientThatLeaves_EndsTheWorkOnItsPrompt()
    {
        using var encoder = new PromptEncoder(new ServerOptions());
        using var left = new CancellationTokenSource();
        await left.CancelAsync();
        foreach (var text in new[] { "short", string.Concat(Enumerable.Repeat("the cat ", 500)) })
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => encoder.EncodeAsync([new Prompt(text, [])], TinyModel.Tokenizer, left.Token));
        Assert.Equal(0, encoder.Waiting);
    }
}
