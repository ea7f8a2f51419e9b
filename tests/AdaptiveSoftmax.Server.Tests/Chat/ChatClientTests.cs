using System.Text;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Extensions.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class ChatClientTests
{
    private static readonly AdaptiveSoftmaxChatClientOptions s_options = new() { ModelId = "tiny", EndTokens = [TinyModel.EndOfText], EncodePrompt = messages => [.. TinyModel.Tokenizer.Encode(messages[^1].Text)] };

    private static ChatTokenizer OfBytes => new(Encode, TinyChatModel.Bytes);

    // As a library would have it that knows text alone.
    private static ChatTokenizer OfText => new(Encode, Decode);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AnswersOfAnyOptions_AreTheServers(bool areBytes)
    {
        await using var server = await TestServer.StartAsync();
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(areBytes ? OfBytes : OfText, s_options);
        var random = new Random(11);
        for (var i = 0; i < 80; i++)
        {
            var request = Requests.Random(random);
            foreach (var name in new[] { "n", "logprobs", "logit_bias", "min_p" }) request.Remove(name);
            request["prompt"] = (request["prompt"] is JsonArray several ? (string)several[0]! : (string)request["prompt"]!) + " ";
            request = JsonNode.Parse(request.ToJsonString())!.AsObject();
            var expected = await server.PostAsync(request);
            var answer = await client.GetResponseAsync((string)request["prompt"]!, OptionsOf(request), TestServer.Cancellation);
            // Only bytes tell a character that was cut off from one that was never whole.
            if (areBytes || !expected.Text().Contains('\uFFFD', StringComparison.Ordinal)) Assert.Equal(expected.Text(), areBytes ? answer.Text : answer.Text.TrimEnd('\uFFFD'));
            Assert.Equal(expected.Finish(), answer.FinishReason!.Value.Value);
            Assert.Equal((string)expected["model"]!, answer.ModelId);
            Assert.Equal(((long)expected["usage"]!["prompt_tokens"]!, (long)expected["usage"]!["completion_tokens"]!, (long)expected["usage"]!["total_tokens"]!), (answer.Usage!.InputTokenCount!.Value, answer.Usage.OutputTokenCount!.Value, answer.Usage.TotalTokenCount!.Value));
        }

        Assert.Equal(0, model.Open);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Stream_HasWholeCharacters_AndEndsWithReasonAndUsage(bool areBytes)
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(areBytes ? OfBytes : OfText, s_options);
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(" on the mat.", new ChatOptions { Temperature = 0, MaxOutputTokens = 60 }, TestServer.Cancellation)) updates.Add(update);

        Assert.Equal(" Größe: 你好, 🙂! then the cat ran off.", string.Concat(updates.Select(update => update.Text)));
        Assert.Contains(updates, update => update.Text == "🙂");
        Assert.All(updates, update => Assert.Equal((ChatRole.Assistant, "tiny", updates[0].ResponseId, updates[0].MessageId), (update.Role!.Value, update.ModelId, update.ResponseId, update.MessageId)));
        Assert.NotNull(updates[0].ResponseId);
        Assert.All(updates.SkipLast(1), update => Assert.True(update.FinishReason is null && update.Text.Length > 0));
        Assert.Equal(ChatFinishReason.Stop, updates[^1].FinishReason);
        Assert.Equal(model.Readings, Assert.IsType<UsageContent>(Assert.Single(updates[^1].Contents)).Details.OutputTokenCount);
    }

    [Fact]
    public async Task Cancellation_IsBetweenTwoTokens()
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(OfBytes, s_options);
        using var cancellation = new CancellationTokenSource();
        var texts = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GetStreamingResponseAsync("the", new ChatOptions { MaxOutputTokens = 1000 }, cancellation.Token))
            {
                if (++texts == 3) await cancellation.CancelAsync();
            }
        });
        Assert.Equal((3, 0), (texts, model.Open));

        // One that stops reading stops the model.
        var readings = model.Readings;
        await foreach (var _ in client.GetStreamingResponseAsync("the", new ChatOptions { Temperature = 0 }, TestServer.Cancellation)) break;
        Assert.Equal((readings + 1, 0), (model.Readings, model.Open));
    }

    [Fact]
    public async Task AnErrorOfTheModel_ReachesTheCaller_AndTheSequenceIsDisposedOf()
    {
        using var model = new TinyChatModel { OnReading = () => throw new InvalidDataException("the model's own") };
        using var client = model.AsChatClient(OfBytes, s_options);
        Assert.Equal("the model's own", (await Assert.ThrowsAsync<InvalidDataException>(() => client.GetResponseAsync("the", cancellationToken: TestServer.Cancellation))).Message);
        Assert.Equal(0, model.Open);
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("the", new ChatOptions { TopK = -1 }, TestServer.Cancellation));
        Assert.Equal(0, model.Open);
    }

    [Fact]
    public async Task AnswersSideBySide_AreThoseOfOneAfterTheOther()
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(OfBytes, s_options);
        var expected = new List<string>();
        for (var i = 0; i < 16; i++) expected.Add(await Ask(i));
        Assert.True(expected.Distinct().Count() > 8);
        Assert.Equal(expected, await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(() => Ask(i)))));

        async Task<string> Ask(int seed) => (await client.GetResponseAsync("the", new ChatOptions { Seed = seed, Temperature = 1.5f, MaxOutputTokens = 20 }, TestServer.Cancellation)).Text;
    }

    [Fact]
    public async Task PlainTemplate_IsThePrompt_AndItsNextLineTheEnd()
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(OfBytes, s_options with { EncodePrompt = null });
        ChatMessage[] messages = [new(ChatRole.User, "a"), new(ChatRole.Assistant, "b"), new(ChatRole.User, [new TextContent("c"), new TextContent("d")])];
        await client.GetResponseAsync(messages, new ChatOptions { Instructions = "be brief", MaxOutputTokens = 1 }, TestServer.Cancellation);
        Assert.Equal("### System\nbe brief\n\n### User\na\n\n### Assistant\nb\n\n### User\ncd\n\n### Assistant\n", Decode(Assert.Single(model.Prompts)));

        // The model is made to write what follows, whatever it would.
        var written = await Written(client, "fine\n\n### User\nmore");
        Assert.Equal(("fine\n", ChatFinishReason.Stop), (written.Text, written.FinishReason!.Value));
        Assert.Equal("fine\r\n", (await Written(client, "fine\r\n\r\n### User\r\nmore")).Text);
        // The line end before an answer is the prompt's.
        using var ofText = model.AsChatClient(OfText, s_options with { EncodePrompt = null, StopSequences = ["zz", .. PlainChatTemplate.StopSequences] });
        foreach (var asked in new[] { client, ofText })
        {
            foreach (var turn in new[] { "### User\n", "### Assistant\r\n", "\n### System\n", "\r\n### User\n" })
            {
                written = await Written(asked, turn + "more");
                Assert.Equal(("", ChatFinishReason.Stop), (written.Text, written.FinishReason!.Value));
            }

            foreach (var text in new[] { "### Us", "x### User\nmore", "### Users\n", "\t### User\n" })
            {
                written = await Written(asked, text);
                Assert.Equal((text, ChatFinishReason.Length), (written.Text, written.FinishReason!.Value));
            }
        }

        using var free = model.AsChatClient(OfBytes, s_options with { EncodePrompt = null, StopSequences = ["mo"] });
        Assert.Equal("fine\n\n### User\n", (await Written(free, "fine\n\n### User\nmore")).Text);
        Assert.Equal("### User\n", (await Written(free, "### User\nmore")).Text);

        Task<ChatResponse> Written(IChatClient asked, string text)
        {
            var tokens = Encode(text);
            var mask = new Lazy<TokenMask>(() => model.StartSequence().Softmax.CreateMask());
            var next = 0;
            model.OnReading = () => Allow(mask.Value, tokens[next++]);
            return asked.GetResponseAsync("x", new ChatOptions { MaxOutputTokens = tokens.Count, RawRepresentationFactory = _ => new DecodeOptions { Mask = mask.Value } }, TestServer.Cancellation);
        }
    }

    [Fact]
    public void PlainTemplate_TakesTextAlone()
    {
        Assert.Contains("role 'tool'", Assert.Throws<NotSupportedException>(() => PlainChatTemplate.Format([new(ChatRole.Tool, "a")])).Message, StringComparison.Ordinal);
        Assert.Contains("DataContent", Assert.Throws<NotSupportedException>(() => PlainChatTemplate.Format([new(ChatRole.User, [new DataContent("data:image/png;base64,AA==")])])).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, ChatOptions> Refused { get; } = new()
    {
        { "ModelId is 'other'; this client's model is 'tiny'", new ChatOptions { ModelId = "other" } },
        { "Tools are not supported", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] } },
        { "ResponseFormat other than text", new ChatOptions { ResponseFormat = ChatResponseFormat.Json } },
        { "ConversationId is not supported", new ChatOptions { ConversationId = "a" } },
        { "in the background", new ChatOptions { AllowBackgroundResponses = true } },
        { "Reasoning is not supported", new ChatOptions { Reasoning = new ReasoningOptions() } },
        { "gave String; this client takes DecodeOptions", new ChatOptions { RawRepresentationFactory = _ => "raw" } },
        { "MaxOutputTokens is 0", new ChatOptions { MaxOutputTokens = 0 } },
        { "Temperature is -1", new ChatOptions { Temperature = -1 } },
        { "TopP is 2", new ChatOptions { TopP = 2 } },
        { "TopK is -1", new ChatOptions { TopK = -1 } },
        { "A stop string is empty", new ChatOptions { StopSequences = [""] } },
        { "half of a surrogate pair", new ChatOptions { StopSequences = ["\ude00"] } },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task WhatItCannotDo_IsSaid(string message, ChatOptions options)
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(OfBytes, s_options);
        var exception = await Assert.ThrowsAnyAsync<Exception>(() => client.GetResponseAsync("the", options, TestServer.Cancellation));
        Assert.True(exception is NotSupportedException or ArgumentException, exception.ToString());
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, model.Open);
    }

    [Fact]
    public async Task ToolsThatMayNotBeCalled_AndAnEmptyPrompt()
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(OfBytes, s_options);
        var answer = await client.GetResponseAsync("the", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")], ToolMode = ChatToolMode.None, ResponseFormat = ChatResponseFormat.Text, ModelId = "tiny", MaxOutputTokens = 2 }, TestServer.Cancellation);
        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        Assert.Contains("has no tokens", (await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("", cancellationToken: TestServer.Cancellation))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => model.AsChatClient(OfBytes, new AdaptiveSoftmaxChatClientOptions { MaxOutputTokens = 0 }));
        Assert.Throws<ArgumentException>(() => model.AsChatClient(OfBytes, new AdaptiveSoftmaxChatClientOptions { StopSequences = [""] }));
    }

    [Fact]
    public async Task WhatIsNullOrEmpty_IsNamed()
    {
        using var model = new TinyChatModel();
        using var client = model.AsChatClient(OfBytes, s_options with { EncodePrompt = null });
        Assert.Contains("There is no message", (await Refusal<ArgumentException>(client, [])).Message, StringComparison.Ordinal);
        Assert.Contains("A message is null", (await Refusal<ArgumentException>(client, [null!])).Message, StringComparison.Ordinal);
        Assert.Contains("A message is null", Assert.Throws<ArgumentException>(() => PlainChatTemplate.Format([null!])).Message, StringComparison.Ordinal);
        Assert.Contains("holds null", Assert.Throws<NotSupportedException>(() => PlainChatTemplate.Format([new(ChatRole.User, [null!])])).Message, StringComparison.Ordinal);
        ChatMessage[] messages = [new(ChatRole.User, "the")];
        using var withoutPrompt = model.AsChatClient(OfBytes, s_options with { EncodePrompt = _ => null! });
        Assert.Contains("EncodePrompt gave null", (await Refusal<InvalidOperationException>(withoutPrompt, messages)).Message, StringComparison.Ordinal);
        using var withoutIds = model.AsChatClient(new ChatTokenizer(_ => null!, TinyChatModel.Bytes), s_options with { EncodePrompt = null });
        Assert.Contains("function that encodes gave null", (await Refusal<InvalidOperationException>(withoutIds, messages)).Message, StringComparison.Ordinal);
        Assert.Contains("EndTokens is null", Assert.Throws<ArgumentException>(() => model.AsChatClient(OfBytes, s_options with { EndTokens = null! })).Message, StringComparison.Ordinal);
        Assert.Contains("Decode is null", Assert.Throws<ArgumentException>(() => model.AsChatClient(OfBytes, s_options with { Decode = null! })).Message, StringComparison.Ordinal);
        Assert.Equal(0, model.Open);

        static Task<T> Refusal<T>(IChatClient asked, IReadOnlyList<ChatMessage> messages)
            where T : Exception => Assert.ThrowsAsync<T>(() => asked.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 1 }, TestServer.Cancellation));
    }

    [Fact]
    public async Task Services_HaveTheClient_AndItItsOwn()
    {
        using var model = new TinyChatModel();
        using var other = new TinyChatModel();
        using var services = new ServiceCollection()
            .AddSingleton<ILanguageModel>(model).AddSingleton(OfBytes).AddAdaptiveSoftmaxChatClient(s_options)
            .AddKeyedSingleton<ILanguageModel>("other", other).AddKeyedSingleton("other", OfText).AddKeyedAdaptiveSoftmaxChatClient("other")
            .BuildServiceProvider();
        var client = services.GetRequiredService<IChatClient>();
        Assert.Same(client, services.GetRequiredService<IChatClient>());
        Assert.Same(model, client.GetService<ILanguageModel>());
        Assert.Same(other, services.GetRequiredKeyedService<IChatClient>("other").GetService<TinyChatModel>());
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Same(services.GetRequiredService<ChatTokenizer>(), client.GetService<ChatTokenizer>());
        Assert.Null(client.GetService<Uri>());
        Assert.Null(client.GetService<ILanguageModel>("key"));
        var metadata = client.GetService<ChatClientMetadata>()!;
        Assert.Equal(("adaptive-softmax", "tiny"), (metadata.ProviderName, metadata.DefaultModelId));

        // Pipelines of Microsoft.Extensions.AI take it as any other.
        using var pipeline = new ChatClientBuilder(client).ConfigureOptions(options => options.MaxOutputTokens = 3).Build();
        Assert.Equal(3, (await pipeline.GetResponseAsync("the", cancellationToken: TestServer.Cancellation)).Usage!.OutputTokenCount);
    }

    private static ChatOptions OptionsOf(JsonObject request) => new()
    {
        Seed = (long)request["seed"]!,
        MaxOutputTokens = (int)request["max_tokens"]!,
        Temperature = (float?)request["temperature"],
        TopP = (float?)request["top_p"],
        TopK = (int?)request["top_k"],
        PresencePenalty = (float?)request["presence_penalty"],
        FrequencyPenalty = (float?)request["frequency_penalty"],
        StopSequences = request["stop"] switch { null => null, JsonArray stops => [.. stops.Select(stop => (string)stop!)], var stop => [(string)stop!] },
    };

    private static IReadOnlyList<int> Encode(string text) => [.. TinyModel.Tokenizer.Encode(text)];

    private static string Decode(IEnumerable<int> tokens) => Encoding.UTF8.GetString([.. tokens.SelectMany(token => TinyChatModel.Bytes(token).ToArray())]);

    private static void Allow(TokenMask mask, int token)
    {
        var allowed = new ulong[(TinyModel.EndOfText / 64) + 1];
        allowed[token / 64] = 1UL << token;
        mask.SetTokens(allowed);
    }
}
