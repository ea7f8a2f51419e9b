using System.Globalization;
using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class SamplingTests
{
    [Fact]
    public async Task Seed_DecidesTheAnswer()
    {
        await using var server = await TestServer.StartAsync();
        async Task<string> Ask(long? seed) => (await server.PostAsync(Hot(("seed", seed)))).Text();
        Assert.Equal(await Ask(1), await Ask(1));
        Assert.NotEqual(await Ask(1), await Ask(2));
        Assert.Equal(await Ask(-5), await Ask(-5));
        Assert.NotEqual(await Ask(null), await Ask(null));
    }

    [Fact]
    public async Task EveryFilterThatLeavesOneToken_IsGreedy()
    {
        await using var server = await TestServer.StartAsync();
        var greedy = (await server.PostAsync(Hot(("temperature", 0)))).Text();
        Assert.Equal(greedy, (await server.PostAsync(Hot(("top_p", 0)))).Text());
        Assert.Equal(greedy, (await server.PostAsync(Hot(("top_p", 0.0001)))).Text());
        Assert.Equal(greedy, (await server.PostAsync(Hot(("top_k", 1)))).Text());
        Assert.Equal(greedy, (await server.PostAsync(Hot(("min_p", 1)))).Text());
        Assert.NotEqual(greedy, (await server.PostAsync(Hot())).Text());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(269)]
    [InlineData(100_000)]
    [InlineData(int.MaxValue)]
    public async Task TopKOfAllTokensOrMore_LeavesAll(int k)
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal((await server.PostAsync(Hot())).Text(), (await server.PostAsync(Hot(("top_k", k)))).Text());
    }

    [Fact]
    public async Task Temperature_MakesAnswersMoreProbableOrLess()
    {
        await using var server = await TestServer.StartAsync();
        async Task<double> LogProb(double temperature)
        {
            var answer = await server.PostAsync(Hot(("temperature", temperature), ("n", 16), ("logprobs", 0)));
            return answer["choices"]!.AsArray().SelectMany(choice => choice!["logprobs"]!["token_logprobs"]!.AsArray()).Average(value => (double)value!);
        }

        var (cold, warm, hot) = (await LogProb(0), await LogProb(1.6), await LogProb(2));
        Assert.True(cold > warm && warm > hot, $"{cold} {warm} {hot}");
    }

    [Fact]
    public async Task Bias_ForcesAndForbids()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 5, ["logit_bias"] = new JsonObject { ["120"] = 100 } });
        Assert.Equal("xxxxx", answer.Text());
        Assert.Equal("length", answer.Finish());

        var cat = TinyModel.Tokenizer.Encode(" cat", TestContext.Current.CancellationToken).Single();
        answer = await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 1, ["logit_bias"] = new JsonObject { [$"{cat}"] = -100 } });
        Assert.NotEqual(" cat", answer.Text());
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(2, 0)]
    [InlineData(0, 1.5)]
    [InlineData(-1, 0.5)]
    public async Task BiasesAndPenalties_AreAddedToTheModelsLogProbs(double presence, double frequency)
    {
        await using var server = await TestServer.StartAsync();
        var bias = new JsonObject { ["120"] = 60, ["121"] = 60, ["122"] = 61, ["200"] = 58 };
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 12, ["logprobs"] = 0, ["logit_bias"] = bias, ["presence_penalty"] = presence, ["frequency_penalty"] = frequency });

        // The same by hand, over all tokens. The prompt's tokens count for nothing.
        using var model = TinyModel.Create();
        List<int> all = [.. Enumerable.Repeat(TinyModel.EndOfText, model.Model.Window), .. TinyModel.Tokenizer.Encode("the", TestContext.Current.CancellationToken)];
        var (counts, scores) = (new int[model.Model.Layout.VocabularySize], new float[model.Model.Layout.VocabularySize]);
        var expected = new JsonArray();
        for (var step = 0; step < 12; step++)
        {
            model.Model.Softmax.LogProb(model.Model.Forward([.. all[^model.Model.Window..]]), scores);
            foreach (var (token, value) in bias) scores[int.Parse(token, CultureInfo.InvariantCulture)] += (int)value!;
            for (var token = 0; token < scores.Length; token++) scores[token] -= (float)((counts[token] > 0 ? presence : 0) + (frequency * counts[token]));
            var best = Array.IndexOf(scores, scores.Max());
            counts[best]++;
            all.Add(best);
            expected.Add(ServerSample.TokenText.Of(TinyModel.Tokenizer.Vocabulary.GetToken(best)));
        }

        Assert.Equal(expected.ToJsonString(), answer["choices"]![0]!["logprobs"]!["tokens"]!.ToJsonString());
    }

    private static JsonObject Hot(params (string Name, JsonNode? Value)[] parameters)
    {
        var request = new JsonObject { ["prompt"] = "the", ["temperature"] = 2, ["seed"] = 1, ["max_tokens"] = 40 };
        foreach (var (name, value) in parameters) request[name] = value;
        return request;
    }
}
