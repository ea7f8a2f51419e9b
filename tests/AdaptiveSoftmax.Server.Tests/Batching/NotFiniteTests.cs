using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Models with a value that is not finite.</summary>
public sealed class NotFiniteTests
{
    private const int Neighbours = 12;

    // Biased to a token of the head by so much that no tail can matter.
    private static readonly JsonObject s_sound = new() { ["prompt"] = "xyz", ["max_tokens"] = 20, ["temperature"] = 0.9, ["seed"] = 3, ["logprobs"] = 0, ["logit_bias"] = new JsonObject { ["120"] = 100, ["121"] = 99.5 } };

    [Theory]
    [InlineData(float.NaN, """{"prompt": "the", "temperature": 0}""")]
    [InlineData(float.NaN, """{"prompt": "the", "temperature": 0, "logprobs": 5}""")]
    [InlineData(float.NaN, """{"prompt": "the", "top_p": 0.9, "n": 3}""")]
    [InlineData(float.PositiveInfinity, """{"prompt": "the", "temperature": 1.5, "top_k": 40}""")]
    [InlineData(float.NegativeInfinity, """{"prompt": "the", "min_p": 0.01, "presence_penalty": 1}""")]
    public async Task WeightOfATail_EndsTheRequestThatMeetsIt_AndNoOther(float value, string faulty)
    {
        // A word's weights in the second tail.
        await CheckAsync(model => Find(model, "tail.1.1.weight").EditRow(3, row => row[2] = value), JsonNode.Parse(faulty)!.AsObject());
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public async Task HiddenVector_EndsTheRequestThatMeetsIt_AndNoOther(float value) =>
        await CheckAsync(model => EditEmbedding(model, 'q', row => row[1] = value), new JsonObject { ["prompt"] = "q", ["logit_bias"] = new JsonObject { ["120"] = 100 } });

    [Fact]
    public async Task StreamThatMeetsIt_KeepsItsTextSoFar_AndEndsWithAnError()
    {
        // The first byte of "ö".
        await using var server = await TestServer.StartAsync(change: model => EditEmbedding(model, 0xc3, row => row[0] = float.NaN));
        using var response = await server.OpenStreamAsync(new JsonObject { ["prompt"] = " on the mat.", ["temperature"] = 0, ["max_tokens"] = 40 }, TestServer.Cancellation);
        var body = await response.Content.ReadAsStringAsync(TestServer.Cancellation);
        string[] events = [.. body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(each => each["data: ".Length..])];
        Assert.Equal(" Gr", string.Concat(events.SkipLast(1).Select(each => JsonNode.Parse(each)!.Text())));
        Assert.Equal("model_not_finite", (string?)JsonNode.Parse(events[^1])!["error"]!["code"]);
    }

    private static async Task CheckAsync(Action<ServedModel> change, JsonObject faulty)
    {
        var gate = new StepGate();
        await using var server = await TestServer.StartAsync(gate: gate, change: change);
        var alone = (await server.PostAsync(s_sound)).Choices();
        gate.Close();
        Task<JsonNode>[] sound = [.. Enumerable.Range(0, Neighbours).Select(_ => server.PostAsync(s_sound))];
        await Wait.UntilAsync(() => server.Engine.Active + server.Engine.Waiting == Neighbours);
        var failing = server.RefusedAsync(faulty.ToJsonString());
        await Wait.UntilAsync(() => server.Engine.Active + server.Engine.Waiting > Neighbours);
        gate.Allow();

        var (status, error) = await failing;
        Assert.Equal((500, "server_error", "model_not_finite"), (status, (string)error["type"]!, (string?)error["code"]));
        foreach (var answer in sound) Assert.Equal(alone, (await answer).Choices());
        var live = JsonNode.Parse(await server.Client.GetStringAsync(new Uri("monitor", UriKind.Relative), TestServer.Cancellation))!["live"]!;
        Assert.Equal(1, (long)live["failed"]!);
        Assert.Equal(0, server.Engine.Active + server.Engine.Waiting + server.Engine.Paused);
    }

    private static Parameter Find(ServedModel model, string name) => model.Model.Parameters.Single(parameter => parameter.Name == name);

    private static void EditEmbedding(ServedModel model, int token, Action<Span<float>> edit) =>
        model.Model.Parameters.Single(parameter => parameter.Rows == model.Model.Layout.VocabularySize).EditRow(token, edit);
}
