using System.Text;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Vocabulary;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Models whose softmax has other tokens than their tokenizer.</summary>
public sealed class OtherVocabularyTests
{
    // The body reads every id of the tokenizer, and the largest ones are beyond the number of tokens that are left.
    [Fact]
    public async Task DroppedTokens_CanBeRead_AndTheOthersWritten()
    {
        await using var server = await TestServer.StartAsync(create: () => TinyModel.CreateWithout(5, 6));
        var last = TinyModel.EndOfText;
        var prompt = new JsonArray(5, 6, last);
        await server.PostAsync(new JsonObject { ["prompt"] = prompt, ["max_tokens"] = 3 });
        var answer = await server.PostAsync(new JsonObject { ["prompt"] = "the", ["max_tokens"] = 3, ["logit_bias"] = new JsonObject { [$"{last}"] = 100 } });
        Assert.Equal("stop", (string)answer["choices"]![0]!["finish_reason"]!);
    }

    [Fact]
    public async Task ABiasOfADroppedToken_IsTheClientsError()
    {
        await using var server = await TestServer.StartAsync(create: () => TinyModel.CreateWithout(5, 6));
        var (status, error) = await server.RefusedAsync("""{"prompt": "a", "logit_bias": {"6": 1}}""");
        Assert.Equal((400, "logit_bias"), (status, (string)error["param"]!));
        Assert.Contains("token 6", (string)error["message"]!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(9999, "new", "ids from 0 to")]
    [InlineData(97, "b", "another one")]
    public void ATableOfOtherIds_IsRefused(int id, string token, string part)
    {
        var table = TokenTable.Create([65, id], [2, 1], ["A"u8.ToArray(), Encoding.UTF8.GetBytes(token)]);
        var exception = Assert.Throws<InvalidDataException>(() => ModelLoader.CheckTokens(table, TinyModel.Tokenizer.Vocabulary));
        Assert.Contains($"as token {id}", exception.Message, StringComparison.Ordinal);
        Assert.Contains(part, exception.Message, StringComparison.Ordinal);
    }
}
