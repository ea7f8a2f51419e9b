using System.Text;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Prompts in answers, as evaluation harnesses ask for them.</summary>
public sealed class EchoTests
{
    private static readonly string s_long = string.Concat(Enumerable.Repeat(TinyModel.Text + "\n", 5));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PromptAlone_HasItsLogProbs(bool isFull)
    {
        var create = isFull ? TinyModel.CreateFull : (Func<ServedModel>)TinyModel.Create;
        await using var server = await TestServer.StartAsync(create: create);
        using var model = create();
        foreach (var prompt in new[] { "the", "the cat sat", TinyModel.Text, s_long })
        {
            var tokens = TinyModel.Tokenizer.Encode(prompt, TestServer.Cancellation);
            var answer = await server.PostAsync(new JsonObject { ["prompt"] = new JsonArray([.. tokens.Select(token => JsonValue.Create(token))]), ["max_tokens"] = 0, ["echo"] = true, ["logprobs"] = 3 });
            Assert.Equal((prompt, "length"), (answer.Text(), answer.Finish()));
            Assert.Equal($$"""{"prompt_tokens":{{tokens.Length}},"completion_tokens":0,"total_tokens":{{tokens.Length}}}""", answer["usage"]!.ToJsonString());
            var logProbs = answer["choices"]![0]!["logprobs"]!;
            Assert.Equal(tokens.Length, logProbs["tokens"]!.AsArray().Count);
            Assert.Null(logProbs["token_logprobs"]![0]);
            Assert.Null(logProbs["top_logprobs"]![0]);
            List<int> all = [.. Enumerable.Repeat(TinyModel.EndOfText, model.Model.Window), tokens[0]];
            var expected = new float[TinyModel.Tokenizer.Vocabulary.Count];
            var bytes = new List<byte>(TinyModel.Tokenizer.Vocabulary.GetToken(tokens[0]).ToArray());
            for (var i = 1; i < tokens.Length; i++)
            {
                model.Model.Softmax.LogProb(model.Model.Forward([.. all[^model.Model.Window..]]), expected);
                Assert.Equal(expected[tokens[i]], (float)logProbs["token_logprobs"]![i]!, 1e-4f);
                var top = logProbs["top_logprobs"]![i]!.AsObject();
                Assert.Equal(expected.OrderDescending().Take(3), top.Take(3).Select(pair => (float)pair.Value!), (x, y) => MathF.Abs(x - y) < 1e-4f);
                Assert.Contains((float)logProbs["token_logprobs"]![i]!, top.Select(pair => (float)pair.Value!));
                Assert.Equal(AdaptiveSoftmax.Tests.Utf8Text.WithoutCutCharacter([.. bytes]).EnumerateRunes().Count(), (int)logProbs["text_offset"]![i]!);
                bytes.AddRange(TinyModel.Tokenizer.Vocabulary.GetToken(tokens[i]));
                all.Add(tokens[i]);
            }
        }
    }

    [Fact]
    public async Task WhatTheModelWrote_HasTheLogProbsThatItHadWhenItWasWritten()
    {
        await using var server = await TestServer.StartAsync();
        var written = await server.PostAsync(new JsonObject { ["prompt"] = "the cat", ["temperature"] = 0, ["max_tokens"] = 5, ["logprobs"] = 0 });
        var all = await server.PostAsync(new JsonObject { ["prompt"] = "the cat" + written.Text(), ["max_tokens"] = 0, ["echo"] = true, ["logprobs"] = 0 });
        var (then, now) = (LogProbs(written), LogProbs(all)[^5..]);
        Assert.Equal(then.Select(each => each!.Value), now.Select(each => each!.Value), (x, y) => MathF.Abs(x - y) < 1e-5f);
    }

    [Fact]
    public async Task Continuation_FollowsThePrompt_AndIsTheSameAsWithoutIt()
    {
        await using var server = await TestServer.StartAsync();
        var random = new Random(31);
        for (var i = 0; i < 60; i++)
        {
            var request = Requests.Random(random);
            if (i % 6 == 0) request["prompt"] = s_long;
            var plain = await server.PostAsync(request);
            request["echo"] = true;
            var whole = await server.PostAsync(request);
            Assert.Equal(plain["usage"]!.ToJsonString(), whole["usage"]!.ToJsonString());
            Assert.Equal(whole.Choices(), Answers.Join(await server.StreamAsync(request)));
            string[] prompts = request["prompt"] is JsonArray several ? [.. several.Select(each => (string)each!)] : [(string)request["prompt"]!];
            var n = (int?)request["n"] ?? 1;
            for (var choice = 0; choice < prompts.Length * n; choice++)
            {
                var prompt = prompts[choice / n];
                Assert.Equal((prompt + plain.Text(choice), plain.Finish(choice)), (whole.Text(choice), whole.Finish(choice)));
                if (request["logprobs"] is null) continue;
                var (with, without) = (whole["choices"]![choice]!["logprobs"]!, plain["choices"]![choice]!["logprobs"]!);
                var tokens = TinyModel.Tokenizer.Encode(prompt, TestServer.Cancellation).Length;
                foreach (var name in new[] { "tokens", "token_logprobs", "top_logprobs" })
                    Assert.Equal(without[name]!.AsArray().Select(each => each!.ToJsonString()), with[name]!.AsArray().Skip(tokens).Select(each => each!.ToJsonString()));
                Assert.Equal(without["text_offset"]!.AsArray().Select(each => (int)each! + prompt.EnumerateRunes().Count()), with["text_offset"]!.AsArray().Skip(tokens).Select(each => (int)each!));
            }
        }
    }

    [Fact]
    public async Task APromptWithoutLogProbs_AndOneWithoutTokens()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "the <|endoftext|>cat", ["max_tokens"] = 0, ["echo"] = true });
        Assert.Equal("the <|endoftext|>cat", answer.Text());
        Assert.Null(answer["choices"]![0]!["logprobs"]);
        answer = await server.PostAsync(new JsonObject { ["prompt"] = "", ["max_tokens"] = 0, ["echo"] = true, ["logprobs"] = 1 });
        Assert.Equal(("", "length"), (answer.Text(), answer.Finish()));
        Assert.Empty(answer["choices"]![0]!["logprobs"]!["tokens"]!.AsArray());
        // A character that is cut off is left out, as in answers.
        var bytes = Encoding.UTF8.GetBytes("a好");
        answer = await server.PostAsync(new JsonObject { ["prompt"] = new JsonArray([.. bytes.SkipLast(1).Select(value => JsonValue.Create((int)value))]), ["max_tokens"] = 0, ["echo"] = true, ["logprobs"] = 1 });
        Assert.Equal("a", answer.Text());
        Assert.Equal(3, answer["choices"]![0]!["logprobs"]!["tokens"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("160", "a你")]
    [InlineData("98", "a\uFFFDb")]
    public async Task ACharacterThatThePromptCutsOff_IsMadeWholeByTheAnswer(string next, string expected)
    {
        await using var server = await TestServer.StartAsync();
        var request = new JsonObject { ["prompt"] = new JsonArray(97, 228, 189), ["max_tokens"] = 1, ["echo"] = true, ["logprobs"] = 0, ["logit_bias"] = new JsonObject { [next] = 100 }, ["temperature"] = 0 };
        var answer = await server.PostAsync(request);
        Assert.Equal(expected, answer.Text());
        Assert.Equal([0, 1, 1, 1], answer["choices"]![0]!["logprobs"]!["text_offset"]!.AsArray().Select(offset => (int)offset!));
        Assert.Equal(answer.Choices(), Answers.Join(await server.StreamAsync(request)));
    }

    [Fact]
    public async Task OthersGoOn_WhileALongPromptIsRead()
    {
        await using var server = await TestServer.StartAsync();
        var request = new JsonObject { ["prompt"] = "the", ["seed"] = 5, ["max_tokens"] = 40, ["logprobs"] = 1 };
        var alone = await server.PostAsync(request);
        var echo = new JsonObject { ["prompt"] = s_long, ["max_tokens"] = 0, ["echo"] = true, ["logprobs"] = 2 };
        var echoed = await server.PostAsync(echo);
        var together = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => server.PostAsync(i % 2 == 0 ? request : echo)));
        Assert.All(together.Where((_, i) => i % 2 == 0), answer => Assert.Equal(alone.Choices(), answer.Choices()));
        Assert.All(together.Where((_, i) => i % 2 == 1), answer => Assert.Equal(echoed.Choices(), answer.Choices()));
    }

    [Fact]
    public async Task TokensThatTheModelNeverWrites_HaveNoLogProb()
    {
        await using var server = await TestServer.StartAsync(create: () => TinyModel.CreateWithout(5, 6));
        var (status, error) = await server.RefusedAsync("""{"prompt": [65, 5], "echo": true, "logprobs": 1, "max_tokens": 0}""");
        Assert.Equal((400, "echo"), (status, (string)error["param"]!));
        Assert.Contains("token 5", (string)error["message"]!, StringComparison.Ordinal);
        await server.PostAsync(new JsonObject { ["prompt"] = new JsonArray(5, 65), ["echo"] = true, ["logprobs"] = 1, ["max_tokens"] = 0 });
        await server.PostAsync(new JsonObject { ["prompt"] = new JsonArray(65, 5), ["echo"] = true, ["max_tokens"] = 0 });
    }

    [Fact]
    public async Task AValueThatIsNotFinite_EndsTheRequestThatReadsIt()
    {
        await using var server = await TestServer.StartAsync(change: model => model.Model.Softmax.Parameters[0].EditRow(3, row => row[0] = float.NaN));
        var (status, error) = await server.RefusedAsync("""{"prompt": "the cat", "echo": true, "logprobs": 1, "max_tokens": 0}""");
        Assert.Equal((500, "model_not_finite"), (status, (string)error["code"]!));
    }

    private static float?[] LogProbs(JsonNode answer) => [.. answer["choices"]![0]!["logprobs"]!["token_logprobs"]!.AsArray().Select(each => (float?)each)];
}
