using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Testing;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests.Fuzzing;

/// <summary>Damaged requests are answered, or refused with what is wrong with them; the server goes on.</summary>
[MoreAtNight]
public sealed class RequestFuzzTests
{
    private const string Completion = """
        {"model":"tiny","prompt":["the cat",[1,2,3]],"max_tokens":4,"temperature":0.8,"top_p":0.9,"top_k":40,"min_p":0.01,"n":2,"stream":false,"logprobs":2,"echo":true,"stop":["at","zz"],
         "presence_penalty":0.5,"frequency_penalty":-0.5,"logit_bias":{"1":-100,"32":5},"seed":7,"user":"me","suffix":null,"best_of":2,"stream_options":null}
        """;

    private const string Chat = """
        {"model":"tiny","messages":[{"role":"system","content":"the"},{"role":"user","content":[{"type":"text","text":"the cat"}],"name":"a"},{"role":"assistant","content":null,"refusal":null},{"role":"user","content":"the"}],
         "max_completion_tokens":4,"logprobs":true,"top_logprobs":2,"response_format":{"type":"text"},"stop":"at","stream":true,"stream_options":{"include_usage":true},"seed":7}
        """;

    [Theory]
    [InlineData("v1/completions", Completion)]
    [InlineData("v1/chat/completions", Chat)]
    public async Task Bodies(string path, string sound)
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxTokens = 8 });
        var statuses = new SortedDictionary<int, int>();
        for (var seed = 0; seed < Nightly.Count(2_000, 100_000); seed++)
        {
            var body = Damage(new Mutator(seed), sound);
            var (status, fault) = await SendAsync(server, path, body);
            Assert.True(fault is null, $"seed {seed}: status {status}, {fault}\n{Encoding.UTF8.GetString(body)}");
            statuses[status] = statuses.GetValueOrDefault(status) + 1;
        }

        // What refuses or answers everything is tested by nothing.
        Assert.True(statuses.GetValueOrDefault(200) > 50 && statuses.GetValueOrDefault(400) > 50, string.Join(", ", statuses));
        await Wait.UntilAsync(() => server.Engine.Active + server.Engine.Waiting == 0);
        Assert.Equal(200, (await SendAsync(server, path, Encoding.UTF8.GetBytes(sound))).Status);
    }

    private static byte[] Damage(Mutator mutator, string sound) => mutator.Next(4) switch
    {
        0 => mutator.Bytes(Encoding.UTF8.GetBytes(sound)),
        // Few members are right beside each other when all are there.
        1 => Encoding.UTF8.GetBytes(mutator.Json(Some(mutator, sound))),
        _ => Encoding.UTF8.GetBytes(mutator.Json(sound)),
    };

    private static string Some(Mutator mutator, string sound)
    {
        var all = JsonNode.Parse(sound)!.AsObject();
        foreach (var name in all.Select(member => member.Key).Where(name => name is not ("prompt" or "messages")).ToArray())
        {
            if (mutator.Next(2) == 0) all.Remove(name);
        }

        return all.ToJsonString();
    }

    private static async Task<(int Status, string? Fault)> SendAsync(TestServer server, string path, byte[] body)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await server.Client.PostAsync(new Uri(path, UriKind.Relative), content, TestServer.Cancellation);
        var status = (int)response.StatusCode;
        var text = await response.Content.ReadAsStringAsync(TestServer.Cancellation);
        if (status == 200)
        {
            var isWhole = response.Content.Headers.ContentType!.MediaType == "text/event-stream" ? text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal) : text.StartsWith('{');
            return (status, isWhole ? null : $"an answer that is not whole: {text}");
        }

        return (status, status is 400 or 404 or 413 ? FaultOf(text) : text);
    }

    private static string? FaultOf(string text)
    {
        var error = JsonSerializer.Deserialize<JsonNode>(text)?["error"];
        if ((string?)error?["type"] != "invalid_request_error" || (string?)error["message"] is not { Length: > 10 and < 2_000 } message) return text;
        return PrintableText.FindUnprintable(message) >= 0 || message.Contains("ServerSample", StringComparison.Ordinal) || message.Contains("System.", StringComparison.Ordinal) ? message : null;
    }
}
