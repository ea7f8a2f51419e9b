using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class CompletionTests
{
    [Fact]
    public async Task GreedyAnswer_IsTheTextThatTheModelKnows_AndEndsWithIt()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "the cat sat", ["temperature"] = 0, ["max_tokens"] = 200 });
        Assert.Equal(TinyModel.Text["the cat sat".Length..], answer.Text());
        Assert.Equal("stop", answer.Finish());
        Assert.Equal("text_completion", (string)answer["object"]!);
        Assert.Equal("tiny", (string)answer["model"]!);
        Assert.StartsWith("cmpl-", (string)answer["id"]!, StringComparison.Ordinal);
        Assert.InRange((long)answer["created"]!, 1_600_000_000, long.MaxValue);
        Assert.Null(answer["choices"]![0]!["logprobs"]);

        var prompt = TinyModel.Tokenizer.Encode("the cat sat", TestContext.Current.CancellationToken).Length;
        // The token that ends the text is one of the answer's tokens.
        var completion = TinyModel.Tokenizer.Encode(TinyModel.Text["the cat sat".Length..], TestContext.Current.CancellationToken).Length + 1;
        Assert.Equal($"{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{prompt + completion}}}", answer["usage"]!.ToJsonString());
    }

    [Fact]
    public async Task MaxTokens_EndsTheAnswer_AndIsSixteenIfNotGiven()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 2 });
        Assert.Equal(" cat sat", answer.Text());
        Assert.Equal("length", answer.Finish());
        answer = await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0 });
        Assert.Equal(16, (int)answer["usage"]!["completion_tokens"]!);
    }

    [Fact]
    public async Task CharacterThatTheLastTokenCutsOff_IsLeftOut()
    {
        await using var server = await TestServer.StartAsync();
        // "ö" has two bytes, and each is a token here.
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "mat. Gr", ["temperature"] = 0, ["max_tokens"] = 1, ["logprobs"] = 0 });
        Assert.Equal("", answer.Text());
        Assert.Equal("""["bytes:\\xc3"]""", answer["choices"]![0]!["logprobs"]!["tokens"]!.ToJsonString());
        answer = await server.PostAsync(new JsonObject { ["prompt"] = "mat. Gr", ["temperature"] = 0, ["max_tokens"] = 2 });
        Assert.Equal("ö", answer.Text());
    }

    [Fact]
    public async Task PromptsOfEveryForm_AreTheSame()
    {
        await using var server = await TestServer.StartAsync();
        JsonArray Ids(string text) => [.. TinyModel.Tokenizer.Encode(text).Select(id => JsonValue.Create(id))];
        async Task<string> Ask(JsonNode prompt) => (await server.PostAsync(new JsonObject { ["prompt"] = prompt, ["temperature"] = 0, ["max_tokens"] = 8, ["logprobs"] = 1 })).Choices();

        var text = await Ask("on the");
        Assert.Equal(text, await Ask(Ids("on the")));
        Assert.Equal(text, await Ask(new JsonArray("on the")));
        Assert.Equal(text, await Ask(new JsonArray(Ids("on the"))));
        Assert.Equal(await Ask(new JsonArray("on the", "then the")), await Ask(new JsonArray(Ids("on the"), Ids("then the"))));

        // No prompt is the beginning of a document.
        var none = await server.PostAsync(new JsonObject { ["temperature"] = 0, ["max_tokens"] = 3 });
        Assert.Equal("the cat sat", none.Text());
        Assert.Equal(0, (int)none["usage"]!["prompt_tokens"]!);
    }

    [Fact]
    public async Task SeveralPromptsWithSeveralChoices_ComeInTheirOrder()
    {
        await using var server = await TestServer.StartAsync();
        var request = new JsonObject { ["prompt"] = new JsonArray("the", "mat. "), ["n"] = 3, ["temperature"] = 2, ["seed"] = 7, ["max_tokens"] = 30 };
        var answer = await server.PostAsync(request);
        var choices = answer["choices"]!.AsArray();
        Assert.Equal([0, 1, 2, 3, 4, 5], choices.Select(choice => (int)choice!["index"]!));
        // Each choice has random numbers of its own.
        Assert.NotEqual(answer.Text(0), answer.Text(1));
        Assert.NotEqual(answer.Text(1), answer.Text(2));

        // The first prompt's choices do not depend on the second prompt.
        request["prompt"] = "the";
        Assert.Equal(new JsonArray([.. choices.Take(3).Select(choice => choice!.DeepClone())]).ToJsonString(), (await server.PostAsync(request)).Choices());
    }

    [Fact]
    public async Task StopStrings_EndTheTextBeforeThem_AcrossTokens()
    {
        await using var server = await TestServer.StartAsync();
        async Task<JsonNode> Ask(JsonNode stop) => await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 100, ["stop"] = stop, ["logprobs"] = 0 });

        // " sat" and " on" are tokens; the stop string has a part of each.
        var answer = await Ask("t o");
        Assert.Equal(" cat sa", answer.Text());
        Assert.Equal("stop", answer.Finish());
        Assert.Equal("""[" cat"," sat"]""", answer["choices"]![0]!["logprobs"]!["tokens"]!.ToJsonString());
        Assert.Equal(" cat sat on the mat. Größe: 你", (await Ask(new JsonArray("好", "mat!", "zzz"))).Text());
        Assert.Equal("", (await Ask(" cat")).Text());
        Assert.Equal(TinyModel.Text[3..], (await Ask("off. And")).Text());
    }

    [Fact]
    public async Task Models_ListTheOneThatThereIs()
    {
        await using var server = await TestServer.StartAsync();
        var list = JsonNode.Parse(await server.Client.GetStringAsync(new Uri("v1/models", UriKind.Relative), TestServer.Cancellation))!;
        Assert.Equal("list", (string)list["object"]!);
        Assert.Equal("tiny", (string)list["data"]![0]!["id"]!);
        var one = JsonNode.Parse(await server.Client.GetStringAsync(new Uri("v1/models/tiny", UriKind.Relative), TestServer.Cancellation))!;
        Assert.Equal(list["data"]![0]!.ToJsonString(), one.ToJsonString());
        using var none = await server.Client.GetAsync(new Uri("v1/models/large", UriKind.Relative), TestServer.Cancellation);
        Assert.Equal(404, (int)none.StatusCode);
    }
}
