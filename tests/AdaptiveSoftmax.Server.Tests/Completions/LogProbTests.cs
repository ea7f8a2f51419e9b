using System.Text;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Tests;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class LogProbTests
{
    [Fact]
    public async Task LogProbs_AreTheModelsOwn_WhateverChoosesTheTokens()
    {
        await using var server = await TestServer.StartAsync();
        var tokens = 0;
        foreach (var temperature in new[] { 0, 0.7, 2 })
        {
            var request = new JsonObject { ["prompt"] = "the cat", ["temperature"] = temperature, ["seed"] = 5, ["max_tokens"] = 60, ["logprobs"] = 5, ["top_p"] = 0.99 };
            tokens += Check(await server.PostAsync(request), "the cat", asked: 5);
            request["presence_penalty"] = 0.5;
            request["logit_bias"] = new JsonObject { ["100"] = 3, ["200"] = -2 };
            // Which tokens are listed follows biases and penalties, and what is said of them does not.
            tokens += Check(await server.PostAsync(request), "the cat", asked: 5, isAdjusted: true);
        }

        Assert.True(tokens > 60);
    }

    [Fact]
    public async Task NoLogProbsAskedFor_StillGivesThatOfTheChosenToken()
    {
        await using var server = await TestServer.StartAsync();
        Assert.NotEqual(0, Check(await server.PostAsync(new JsonObject { ["prompt"] = "mat", ["temperature"] = 0, ["max_tokens"] = 30, ["logprobs"] = 0 }), "mat", asked: 0));
    }

    // Against all log-probs of the model, window after window. Gives the number of tokens.
    private static int Check(JsonNode answer, string prompt, int asked, bool isAdjusted = false)
    {
        using var model = TinyModel.Create();
        var vocabulary = TinyModel.Tokenizer.Vocabulary;
        var names = Enumerable.Range(0, vocabulary.Count).ToDictionary(id => Name(vocabulary.GetToken(id)), id => id, StringComparer.Ordinal);
        var logProbs = answer["choices"]![0]!["logprobs"]!;
        int[] tokens = [.. logProbs["tokens"]!.AsArray().Select(name => names[(string)name!])];
        List<int> all = [.. Enumerable.Repeat(TinyModel.EndOfText, model.Model.Window), .. TinyModel.Tokenizer.Encode(prompt)];
        var expected = new float[vocabulary.Count];
        var bytes = new List<byte>();
        for (var i = 0; i < tokens.Length; i++)
        {
            model.Model.Softmax.LogProb(model.Model.Forward([.. all[^model.Model.Window..]]), expected);
            Assert.Equal(expected[tokens[i]], (float)logProbs["token_logprobs"]![i]!, 1e-4f);

            var top = logProbs["top_logprobs"]![i]!.AsObject();
            Assert.InRange(top.Count, Math.Max(1, asked), asked + 1);
            Assert.True(top.ContainsKey(Name(vocabulary.GetToken(tokens[i]))));
            var best = expected.OrderDescending().Take(asked).ToArray();
            if (!isAdjusted) Assert.Equal(best, top.Take(asked).Select(pair => (float)pair.Value!), (x, y) => MathF.Abs(x - y) < 1e-4f);
            Assert.All(top, pair => Assert.Equal(expected[names[pair.Key]], (float)pair.Value!, 1e-4f));

            // Whole characters before the token.
            Assert.Equal(Utf8Text.WithoutCutCharacter([.. bytes]).EnumerateRunes().Count(), (int)logProbs["text_offset"]![i]!);
            bytes.AddRange(vocabulary.GetToken(tokens[i]));
            all.Add(tokens[i]);
        }

        Assert.StartsWith(answer.Text(), Encoding.UTF8.GetString([.. bytes]), StringComparison.Ordinal);
        return tokens.Length;
    }

    private static string Name(ReadOnlySpan<byte> token) =>
        System.Text.Unicode.Utf8.IsValid(token) ? Encoding.UTF8.GetString(token) : "bytes:" + string.Concat(token.ToArray().Select(value => $"\\x{value:x2}"));
}
