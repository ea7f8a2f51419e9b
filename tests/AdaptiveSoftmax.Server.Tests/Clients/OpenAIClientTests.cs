using System.ClientModel;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Extensions.AI;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;
using ChatMessage = OpenAI.Chat.ChatMessage;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>The official .NET client, by itself and behind Microsoft.Extensions.AI, as their users write it.</summary>
public sealed class OpenAIClientTests
{
    private static readonly ChatMessage[] s_messages = [new SystemChatMessage("be brief"), new UserChatMessage("the cat")];

    [Fact]
    public async Task Client_AsksForAnswersAndStreams()
    {
        await using var server = await TestServer.StartAsync();
        var client = Client(server).GetChatClient("tiny");
        var options = new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 12, IncludeLogProbabilities = true, TopLogProbabilityCount = 2, EndUserId = "me", FrequencyPenalty = 0.1f, StopSequences = { "zz" } };
        ChatCompletion answer = await client.CompleteChatAsync(s_messages, options, TestServer.Cancellation);
        var expected = await server.PostAsync(JsonNode.Parse("""{"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the cat"}], "temperature": 0, "max_tokens": 12, "frequency_penalty": 0.1}""")!.AsObject(), "v1/chat/completions");
        Assert.Equal((ChatMessageRole.Assistant, "tiny", (string)expected["choices"]![0]!["message"]!["content"]!, (int)expected["usage"]!["completion_tokens"]!), (answer.Role, answer.Model, answer.Content[0].Text, answer.Usage.OutputTokenCount));
        Assert.Equal((string)expected["choices"]![0]!["finish_reason"]! == "stop" ? OpenAI.Chat.ChatFinishReason.Stop : OpenAI.Chat.ChatFinishReason.Length, answer.FinishReason);
        Assert.NotEmpty(answer.Content[0].Text);
        Assert.All(answer.ContentTokenLogProbabilities, token => Assert.Equal(2, token.TopLogProbabilities.Count));
        Assert.Equal(server.Model.Fingerprint, answer.SystemFingerprint);

        var (text, usage, finish) = ("", (ChatTokenUsage?)null, (OpenAI.Chat.ChatFinishReason?)null);
        await foreach (var update in client.CompleteChatStreamingAsync(s_messages, options, TestServer.Cancellation))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            (usage, finish) = (update.Usage ?? usage, update.FinishReason ?? finish);
        }

        Assert.Equal((answer.Content[0].Text, answer.Usage.TotalTokenCount, answer.FinishReason), (text, usage!.TotalTokenCount, finish!.Value));

        // An answer goes back as a message.
        answer = await client.CompleteChatAsync([.. s_messages, new AssistantChatMessage(answer), new UserChatMessage(ChatMessageContentPart.CreateTextPart("on"))], options, TestServer.Cancellation);
        Assert.NotEmpty(answer.Content[0].Text);
    }

    [Fact]
    public async Task Client_SeesModelsAndErrors()
    {
        await using var server = await TestServer.StartAsync();
        var models = await Client(server).GetOpenAIModelClient().GetModelsAsync(TestServer.Cancellation);
        Assert.Equal("tiny", Assert.Single(models.Value).Id);
        var exception = await Assert.ThrowsAsync<ClientResultException>(() => Client(server).GetChatClient("gpt-5").CompleteChatAsync(s_messages, cancellationToken: TestServer.Cancellation));
        Assert.Equal(404, exception.Status);
        Assert.Contains("There is no model named 'gpt-5'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ExtensionsAI_OverTheServer_IsTheLibrarysClient()
    {
        await using var server = await TestServer.StartAsync();
        using var remote = Client(server).GetChatClient("tiny").AsIChatClient();
        using var model = new TinyChatModel();
        using var local = model.AsChatClient(
            new ChatTokenizer(text => [.. TinyModel.Tokenizer.Encode(text)], TinyChatModel.Bytes), new AdaptiveSoftmaxChatClientOptions { ModelId = "tiny", EndTokens = [TinyModel.EndOfText] });
        for (var seed = 0; seed < 20; seed++)
        {
            var options = new ChatOptions { Seed = seed, Temperature = seed % 3 * 0.6f, TopP = 0.95f, MaxOutputTokens = 5 + seed, PresencePenalty = 0.5f, FrequencyPenalty = 0.25f, Instructions = "be brief", StopSequences = seed % 2 == 0 ? ["at"] : null };
            var (expected, answer) = (await local.GetResponseAsync("the cat", options, TestServer.Cancellation), await remote.GetResponseAsync("the cat", options, TestServer.Cancellation));
            Assert.Equal((expected.Text, expected.FinishReason, expected.Usage!.InputTokenCount, expected.Usage.OutputTokenCount), (answer.Text, answer.FinishReason, answer.Usage!.InputTokenCount, answer.Usage.OutputTokenCount));
            var streamed = await remote.GetStreamingResponseAsync("the cat", options, TestServer.Cancellation).ToChatResponseAsync(TestServer.Cancellation);
            Assert.Equal((expected.Text, expected.FinishReason, expected.Usage.TotalTokenCount), (streamed.Text, streamed.FinishReason, streamed.Usage!.TotalTokenCount));
        }
    }

    private static OpenAIClient Client(TestServer server) => new(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "v1"), RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(maxRetries: 0) });
}
