using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Extensions.AI;
using Microsoft.Extensions.AI;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class ChatCompletionTests
{
    private const string Path = "v1/chat/completions";

    private static readonly JsonArray s_messages = [Message("system", "be brief"), Message("user", "the cat"), Message("assistant", "sat"), Message("user", "on")];

    // A request takes four, and no text of the model's has the other line ends.
    private static readonly string[] s_stops = [.. PlainChatTemplate.StopSequences.Where(stop => !stop.Contains('\r', StringComparison.Ordinal))];

    [Fact]
    public async Task AnswerOfAChat_IsThatOfItsTemplate()
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(21);
        var prompt = PlainChatTemplate.Format([new(ChatRole.System, "be brief"), new(ChatRole.User, "the cat"), new(ChatRole.Assistant, "sat"), new(ChatRole.User, "on")]);
        for (var i = 0; i < 60; i++)
        {
            var plain = Requests.Random(random);
            plain["prompt"] = prompt;
            var logProbs = (int?)plain["logprobs"];
            if (plain["stop"] is JsonArray) plain.Remove("stop");
            var chat = plain.DeepClone().AsObject();
            plain["stop"] = new JsonArray([.. s_stops.Concat(plain["stop"] is { } own ? [(string)own!] : []).Select(stop => JsonValue.Create(stop))]);
            chat.Remove("prompt");
            chat.Remove("logprobs");
            chat["messages"] = s_messages.DeepClone();
            if (logProbs is not null) (chat["logprobs"], chat["top_logprobs"]) = (true, logProbs);
            if (i % 2 == 0)
            {
                chat["max_completion_tokens"] = (int)chat["max_tokens"]!;
                chat.Remove("max_tokens");
            }

            var expected = await server.PostAsync(plain);
            var answer = await server.PostAsync(chat, Path);
            Assert.Equal(expected["usage"]!.ToJsonString(), answer["usage"]!.ToJsonString());
            Assert.Equal("chat.completion", (string)answer["object"]!);
            foreach (var (choice, other) in answer["choices"]!.AsArray().Zip(expected["choices"]!.AsArray()))
            {
                Assert.Equal(((string)other!["text"]!, (int)other["index"]!, (string)other["finish_reason"]!), ((string)choice!["message"]!["content"]!, (int)choice["index"]!, (string)choice["finish_reason"]!));
                Assert.Equal("assistant", (string)choice["message"]!["role"]!);
                CheckLogProbs(choice["logprobs"], other["logprobs"], logProbs);
            }

            var events = await server.StreamAsync(chat, Path);
            Assert.Equal(Without(answer), Join(events));
            Assert.Single(events.Select(each => (string)each["id"]!).Distinct());
            Assert.All(events, each => Assert.Equal("chat.completion.chunk", (string)each["object"]!));
        }
    }

    [Fact]
    public async Task Stream_BeginsWithTheRole_EndsWithTheReason_AndHasUsageLast()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(new JsonObject { ["messages"] = s_messages.DeepClone(), ["temperature"] = 0, ["max_tokens"] = 3, ["stream_options"] = new JsonObject { ["include_usage"] = true } }, Path);
        Assert.Equal("""{"role":"assistant","content":""}""", events[0]["choices"]![0]!["delta"]!.ToJsonString());
        Assert.Equal(("{}", "length"), (events[^2]["choices"]![0]!["delta"]!.ToJsonString(), (string)events[^2]["choices"]![0]!["finish_reason"]!));
        Assert.All(events.SkipLast(1), each => Assert.True(each.AsObject().TryGetPropertyValue("usage", out var usage) && usage is null));
        Assert.All(events.SkipLast(2), each => Assert.Null(each["choices"]![0]!["finish_reason"]));
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal(3, (int)events[^1]["usage"]!["completion_tokens"]!);
    }

    [Fact]
    public async Task Contents_MayBeParts_AndTheDeveloperIsTheSystem()
    {
        await using var server = await TestServer.StartAsync();
        var expected = await server.PostAsync(Request("""[{"role": "system", "content": "a b"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "cd"}]"""), Path);
        var answer = await server.PostAsync(Request("""[{"role": "developer", "content": "a b", "name": "x"}, {"role": "assistant", "content": null, "refusal": null}, {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]}]"""), Path);
        Assert.Equal(Without(expected), Without(answer));
        Assert.Equal((int)expected["usage"]!["prompt_tokens"]!, (int)answer["usage"]!["prompt_tokens"]!);

        static JsonObject Request(string messages) => new() { ["messages"] = JsonNode.Parse(messages), ["seed"] = 3, ["max_tokens"] = 20, ["response_format"] = new JsonObject { ["type"] = "text" } };
    }

    [Theory]
    [InlineData("""{}""", "messages", "must be an array of messages")]
    [InlineData("""{"messages": []}""", "messages", "must be an array of messages")]
    [InlineData("""{"messages": [null]}""", "messages", "must be an array of messages")]
    [InlineData("""{"messages": "hello"}""", "messages", "an array of messages")]
    [InlineData("""{"messages": [{"role": "tool", "content": "a"}]}""", "messages[0].role", "'tool'")]
    [InlineData("""{"messages": [{"content": "a"}]}""", "messages[0].role", "''")]
    [InlineData("""{"messages": [{"role": "user"}]}""", "messages[0].content", "must be a string")]
    [InlineData("""{"messages": [{"role": "user", "content": 5}]}""", "messages[0].content", "must be a string")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}""", "messages[1].content", "reads text alone")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "text", "text": "\ud83d"}]}]}""", "messages[0].content", "surrogate")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "\ud83d", "text": "a"}]}]}""", "messages[0].content", "surrogate")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"\ud83d": 1, "type": "text", "text": "a"}]}]}""", "messages", "surrogate")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "\ud83d"}}""", "response_format", "surrogate")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "a", "content": "b"}]}""", "messages", "'messages[1].content' is given twice")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "a", "text": "b"}]}]}""", "messages", "'messages[0].content[1].text' is given twice")]
    [InlineData("""{"messages": [{"role": "user", "content": [[[[[[[[[[[[[]]]]]]]]]]]]]}]}""", "messages[0].content", "must be a string")]
    [InlineData("""{"messages": [{"role": "user", "content": [[[[[[[[[[[[[[]]]]]]]]]]]]]]}]}""", "messages", "16 levels")]
    [InlineData("""{"messages": [{"role": 5, "content": "a"}]}""", "messages", "'messages[0].role' is not what it should be")]
    [InlineData("""{"messages": [{"role": "assistant", "content": "a", "tool_calls": [{"id": "a"}]}]}""", "messages[0].tool_calls", "not supported")]
    [InlineData("""{"messages": [{"role": "assistant", "content": "a", "audio": {"id": "a"}}]}""", "messages[0].audio", "not supported")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}""", "tools", "Unrecognized")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "store": true}""", "store", "Unrecognized")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "others": []}""", "others", "Unrecognized")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "stored": false}""", "stored", "Unrecognized")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "prompt": "a"}""", "prompt", "Unrecognized")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_object"}}""", "response_format", "not supported")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "max_completion_tokens": 1}""", "max_tokens", "two names")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "max_completion_tokens": 0}""", "max_completion_tokens", "from 1 to")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}""", "top_logprobs", "only with")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "logprobs": true, "top_logprobs": 21}""", "top_logprobs", "from 0 to 20")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "logprobs": 2}""", "logprobs", "true or false")]
    public async Task WhatIsWrong_IsSaid(string body, string parameter, string part)
    {
        await using var server = await TestServer.StartAsync();
        var (status, error) = await server.RefusedAsync(body, Path);
        Assert.Equal((400, parameter), (status, (string?)error["param"]));
        Assert.Contains(part, (string)error["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatAsksForNothing_IsPassedOver()
    {
        await using var server = await TestServer.StartAsync();
        var expected = await server.PostAsync(Request("""{"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}"""), Path);
        var answer = await server.PostAsync(Request("""
            {"messages": [{"role": "assistant", "content": "a", "audio": null, "function_call": null, "tool_calls": null, "annotations": [], "refusal": null},
            {"role": "user", "content": "b", "tool_calls": []}], "tools": null, "tool_choice": null, "functions": [], "store": false, "metadata": null}
            """), Path);
        Assert.Equal(Without(expected), Without(answer));
        Assert.Equal(expected["usage"]!.ToJsonString(), answer["usage"]!.ToJsonString());
        answer = await server.PostAsync(Request("""{"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}], "tools": []}"""), Path);
        Assert.Equal(Without(expected), Without(answer));

        static JsonObject Request(string body)
        {
            var request = JsonNode.Parse(body)!.AsObject();
            (request["seed"], request["max_tokens"]) = (3, 10);
            return request;
        }
    }

    [Theory]
    [InlineData("### User\nmore", "", true)]
    [InlineData("### Assistant\r\n", "", true)]
    [InlineData("fine\r\n### User\r\n", "fine", true)]
    [InlineData("x### User\nmore", "x### User\nmore", false)]
    public async Task ATurn_EndsTheAnswer_AlsoAtItsStart(string written, string expected, bool isStopped)
    {
        await using var server = await TestServer.StartAsync();
        using var lease = server.Models.Take();
        var asked = new RequestValidator(new ServerOptions()).Validate(new ChatCompletionRequest { Messages = [new ChatRequestMessage { Role = "user", Content = JsonElement.Parse("\"a\"") }] }, lease.Model);
        var generation = new Generation(lease, asked.Options);
        FinishReason? finish = null;
        foreach (var token in TinyModel.Tokenizer.Encode(written, TestServer.Cancellation)) finish ??= generation.Sequences[0].Accept(new DecodedToken { Token = token }, []);
        var text = "";
        while (generation.Pieces.TryRead(out var piece)) text += piece.Text;
        Assert.Equal((expected, isStopped ? FinishReason.Stop : (FinishReason?)null), (text, finish));
    }

    [Fact]
    public async Task ALongChat_IsRefusedByItsParameter()
    {
        await using var server = await TestServer.StartAsync(new ServerSample.ServerOptions { MaxPromptTokens = 20 });
        var (status, error) = await server.RefusedAsync($$"""{"messages": [{"role": "user", "content": "{{string.Join(' ', Enumerable.Repeat("q", 30))}}"}]}""", Path);
        Assert.Equal((400, "messages", "context_length_exceeded"), (status, (string?)error["param"], (string?)error["code"]));
        (status, error) = await server.RefusedAsync($$"""{"messages": [{"role": "user", "content": "{{new string(' ', 200)}}"}]}""", Path);
        Assert.Equal((400, "messages", "context_length_exceeded"), (status, (string?)error["param"], (string?)error["code"]));
        Assert.Contains("Send fewer or shorter messages", (string)error["message"]!, StringComparison.Ordinal);
        await using var other = await TestServer.StartAsync();
        (status, error) = await other.RefusedAsync($$"""{"messages": [{"role": "user", "content": "{{new string('q', 5000)}}"}]}""", Path);
        Assert.Equal((400, "word_too_long"), (status, (string?)error["code"]));
        Assert.DoesNotContain("token ids", (string)error["message"]!, StringComparison.Ordinal);
    }

    private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };

    private static void CheckLogProbs(JsonNode? chat, JsonNode? plain, int? asked)
    {
        if (asked is null)
        {
            Assert.Null(chat);
            return;
        }

        var tokens = chat!["content"]!.AsArray();
        Assert.Equal(plain!["tokens"]!.AsArray().Select(token => (string)token!), tokens.Select(token => (string)token!["token"]!));
        Assert.Equal(plain["token_logprobs"]!.AsArray().Select(each => (float)each!), tokens.Select(token => (float)token!["logprob"]!));
        foreach (var (token, top) in tokens.Zip(plain["top_logprobs"]!.AsArray()))
        {
            Assert.Equal(asked, token!["top_logprobs"]!.AsArray().Count);
            Assert.Equal(top!.AsObject().Take(asked.Value).Select(pair => (pair.Key, (float)pair.Value!)), token["top_logprobs"]!.AsArray().Select(each => ((string)each!["token"]!, (float)each["logprob"]!)));
            var text = (string)token["token"]!;
            if (!text.StartsWith("bytes:", StringComparison.Ordinal)) Assert.Equal(Encoding.UTF8.GetBytes(text).Select(value => (int)value), token["bytes"]!.AsArray().Select(value => (int)value!));
        }
    }

    // Index, text, log-probs and reason of each choice.
    private static string Without(JsonNode answer) => string.Join('\n', answer["choices"]!.AsArray().Select(choice => $"{choice!["index"]} {choice["message"]!["content"]} {string.Concat(choice["logprobs"]?["content"]!.AsArray().Select(each => each!.ToJsonString()) ?? [])} {choice["finish_reason"]}"));

    private static string Join(IEnumerable<JsonNode> events) => string.Join('\n', events.SelectMany(each => each["choices"]!.AsArray()).GroupBy(choice => (int)choice!["index"]!).OrderBy(group => group.Key).Select(group =>
        $"{group.Key} {string.Concat(group.Select(choice => (string?)choice!["delta"]!["content"]))} {string.Concat(group.SelectMany(choice => choice!["logprobs"]?["content"]!.AsArray() ?? []).Select(each => each!.ToJsonString()))} {group.Last()!["finish_reason"]}"));
}
