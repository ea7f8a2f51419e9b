using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>A server that degrades during a burst: which tokens it then makes, what it says of them, and that it recovers.</summary>
public sealed class BurstTests
{
    private const int Tokens = 12;

    // A policy, the tails that it may compute, and what decodes.
    public static TheoryData<string, int, string> Policies
    {
        get
        {
            var data = new TheoryData<string, int, string>();
            foreach (var head in Enum.GetNames<ServedHead>().Append("Full"))
            {
                data.Add("head-only", 0, head);
                data.Add("budget:1", 1, head);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public async Task Burst_IsDecodedByItsPolicy_SaysWhatItDidNotSee_AndEndsByItself(string policy, int tails, string head)
    {
        var gate = new StepGate();
        await using var server = await StartAsync(policy, gate, head);
        var before = await AskAsync(server, "the");
        Assert.Equal(("exact", 0, 0, 0.0), (before.Policy, before.BurstTokens, before.UnseenTokens, before.UnseenMass));
        var (first, others) = await BurstAsync(server, gate, ["the", " cat", "off"]);

        // The first began before the burst, and all others are in it with all their tokens.
        Assert.Equal((policy, Tokens - 1), (first.Policy, first.BurstTokens));
        Answer[] inBurst = [first, .. others];
        var unseen = 0;
        string[] prompts = [" cat", "off"];
        foreach (var (prompt, answer) in prompts.Zip(others))
        {
            var expected = Decode(server.Model, prompt, tails);
            Assert.Equal(TextOf(server.Model, expected.Tokens), answer.Text);
            Assert.Equal((policy, Tokens, expected.Unseen.Count(mass => mass > 0)), (answer.Policy, answer.BurstTokens, answer.UnseenTokens));
            Assert.Equal(expected.Unseen.Sum() / Tokens, answer.UnseenMass, 1e-4);
            unseen += answer.UnseenTokens;
        }

        // Without tails there is nothing to leave out.
        if (head == "Full") Assert.Equal(0, unseen);
        else if (tails == 0) Assert.True(unseen > 0);

        await Wait.UntilAsync(async () => !(bool)(await MonitorAsync(server))["burst"]!["isInForce"]!);
        var after = await AskAsync(server, "the");
        Assert.Equal(before, after);
        // Requests are counted once their answers are sent.
        await Wait.UntilAsync(async () => (int)(await MonitorAsync(server))["burst"]!["requests"]! == 5);
        var monitor = (await MonitorAsync(server))["burst"]!;
        Assert.Equal((policy, false, 1), ((string)monitor["policy"]!, (bool)monitor["isInForce"]!, (int)monitor["bursts"]!));
        Assert.Equal((5 * Tokens, (3 * Tokens) - 1, first.UnseenTokens + unseen), ((int)monitor["tokens"]!, (int)monitor["burstTokens"]!, (int)monitor["unseenTokens"]!));
        Assert.Equal((5, 3, inBurst.Count(answer => answer.UnseenTokens > 0)), ((int)monitor["requests"]!, (int)monitor["burstRequests"]!, (int)monitor["unseenRequests"]!));
        Assert.Equal(inBurst.Sum(answer => answer.UnseenMass) * Tokens / ((3 * Tokens) - 1), (double)monitor["unseenMass"]!, 1e-5);
    }

    [Fact]
    public async Task StreamInABurst_HasThePolicyInItsHeaders_AndTheRestInItsUsage()
    {
        var gate = new StepGate();
        await using var server = await StartAsync("head-only", gate, nameof(ServedHead.Stored));
        gate.Close();
        var first = AskAsync(server, "the");
        await Wait.UntilAsync(() => gate.Steps == 1);
        var streams = Enumerable.Range(0, 2).Select(_ => server.OpenStreamAsync(Request("off", new JsonObject { ["include_usage"] = true }), TestServer.Cancellation)).ToArray();
        await Wait.UntilAsync(() => server.Engine.Waiting == 2);
        Assert.False((bool)(await MonitorAsync(server))["burst"]!["isInForce"]!);
        gate.Allow(1);
        await Wait.UntilAsync(() => gate.Steps == 2);
        Assert.True((bool)(await MonitorAsync(server))["burst"]!["isInForce"]!);
        gate.Allow();
        await first;
        foreach (var stream in streams)
        {
            using var response = await stream;
            Assert.Equal("head-only", response.Headers.GetValues(BurstHeaders.Policy).Single());
            Assert.False(response.Headers.Contains(BurstHeaders.UnseenMass));
            var body = await response.Content.ReadAsStringAsync(TestServer.Cancellation);
            var usage = JsonNode.Parse(body.Split("data: ").Single(part => part.Contains("\"choices\":[]", StringComparison.Ordinal)))!["usage"]!["decoding"]!;
            Assert.Equal(("head-only", Tokens), ((string)usage["policy"]!, (int)usage["burst_tokens"]!));
            Assert.True((double)usage["unseen_mass"]! > 0);
        }
    }

    [Fact]
    public async Task WithoutAPolicy_NothingIsSaidOfIt()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsJsonAsync("v1/completions", Request("the"), TestServer.Cancellation);
        Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Adaptive-Softmax", StringComparison.Ordinal));
        Assert.Null((await response.Content.ReadFromJsonAsync<JsonNode>(TestServer.Cancellation))!["usage"]!["decoding"]);
        Assert.Null((await MonitorAsync(server))["burst"]);
    }

    [Fact]
    public async Task DrawsAndOptions_GoOnWhereTheyStood()
    {
        // The random numbers, penalties and biases of a request are the same in a burst: a softmax without tails shows it.
        var request = new JsonObject
        {
            ["prompt"] = "the",
            ["max_tokens"] = Tokens,
            ["seed"] = 5,
            ["temperature"] = 1.3,
            ["presence_penalty"] = 1.5,
            ["logprobs"] = 3,
            ["logit_bias"] = new JsonObject { [$"{TinyModel.EndOfText}"] = -100, ["97"] = 3 },
        };
        var gate = new StepGate();
        await using var server = await StartAsync("head-only", gate, "Full");
        var alone = (await server.PostAsync(request)).Choices();
        gate.Close();
        var answers = new List<Task<JsonNode>> { server.PostAsync(request) };
        await Wait.UntilAsync(() => gate.Steps == Tokens + 1);
        answers.AddRange([server.PostAsync(request), server.PostAsync(request)]);
        await Wait.UntilAsync(() => server.Engine.Waiting == 2);
        gate.Allow();
        foreach (var answer in answers)
        {
            Assert.Equal(alone, (await answer).Choices());
            Assert.Equal("head-only", (string)(await answer)["usage"]!["decoding"]!["policy"]!);
        }
    }

    /// <summary>One request begins alone; then the others wait behind it, which is a burst until all are answered.</summary>
    private static async Task<(Answer First, Answer[] Others)> BurstAsync(TestServer server, StepGate gate, string[] prompts)
    {
        var steps = gate.Steps;
        gate.Close();
        var first = AskAsync(server, prompts[0]);
        await Wait.UntilAsync(() => gate.Steps == steps + 1);
        var others = new List<Task<Answer>>();
        foreach (var prompt in prompts[1..])
        {
            others.Add(AskAsync(server, prompt));
            await Wait.UntilAsync(() => server.Engine.Waiting == others.Count);
        }

        gate.Allow();
        return (await first, await Task.WhenAll(others));
    }

    private static Task<TestServer> StartAsync(string policy, StepGate gate, string head)
    {
        var burst = BurstOptions.TryParse(policy, out _)! with { Queue = 2, Wait = TimeSpan.FromHours(1), Calm = TimeSpan.FromHours(1) };
        return TestServer.StartAsync(new ServerOptions { MaxBatch = 1, Burst = burst }, gate, create: head == "Full" ? TinyModel.CreateFull : () => TinyModel.Create(Enum.Parse<ServedHead>(head)));
    }

    private static JsonObject Request(string prompt, JsonObject? streamOptions = null)
    {
        // A document's end would make answers shorter.
        var request = new JsonObject { ["prompt"] = prompt, ["temperature"] = 0, ["max_tokens"] = Tokens, ["logit_bias"] = new JsonObject { [$"{TinyModel.EndOfText}"] = -100 } };
        if (streamOptions is not null) request["stream_options"] = streamOptions;
        return request;
    }

    private static async Task<Answer> AskAsync(TestServer server, string prompt)
    {
        using var response = await server.Client.PostAsJsonAsync("v1/completions", Request(prompt), TestServer.Cancellation);
        var answer = (await response.Content.ReadFromJsonAsync<JsonNode>(TestServer.Cancellation))!;
        Assert.True(response.StatusCode == HttpStatusCode.OK, answer.ToJsonString());
        var decoding = answer["usage"]!["decoding"]!;
        string Header(string name) => response.Headers.GetValues(name).Single();
        Assert.Equal(((string)decoding["policy"]!, $"{(int)decoding["unseen_tokens"]!}/{Tokens}"), (Header(BurstHeaders.Policy), Header(BurstHeaders.UnseenTokens)));
        Assert.Equal((double)decoding["unseen_mass"]!, double.Parse(Header(BurstHeaders.UnseenMass), CultureInfo.InvariantCulture), 1e-5);
        return new Answer(answer.Text(), (string)decoding["policy"]!, (int)decoding["burst_tokens"]!, (int)decoding["unseen_tokens"]!, (double)decoding["unseen_mass"]!);
    }

    private static async Task<JsonNode> MonitorAsync(TestServer server) =>
        JsonNode.Parse(await server.Client.GetStringAsync(new Uri("monitor", UriKind.Relative), TestServer.Cancellation))!;

    // By the definition, from all log-probs of what decodes: the best token of the shortlist, and of so many tails, the most
    // probable first, as long as a tail is more probable than the best token so far; what is then still more probable is unseen.
    private static (List<int> Tokens, List<double> Unseen) Decode(ServedModel model, string prompt, int tails)
    {
        var layout = model.Model.Layout;
        List<int> text = [.. Enumerable.Repeat(TinyModel.EndOfText, model.Model.Window), .. model.Tokenizer.Encode(prompt)];
        var (tokens, unseen) = (new List<int>(), new List<double>());
        while (tokens.Count < Tokens)
        {
            var logProbs = new float[layout.VocabularySize];
            model.Head.LogProb(model.Model.Forward([.. text.TakeLast(model.Model.Window)]), logProbs);
            var best = Best(0, layout.ShortlistSize);
            // The bias is the end's, which is no candidate here.
            var byMass = layout.Tails.Select(tail => (tail.Start, tail.Size, Mass: Enumerable.Range(tail.Start, tail.Size).Sum(slot => Math.Exp(logProbs[slot])))).OrderByDescending(tail => tail.Mass).ToArray();
            var left = 0.0;
            for (var i = 0; i < byMass.Length; i++)
            {
                if (byMass[i].Mass <= Math.Exp(logProbs[best])) break;
                if (i >= tails) left += byMass[i].Mass;
                else if (Best(byMass[i].Start, byMass[i].Size) is var found && logProbs[found] > logProbs[best]) best = found;
            }

            tokens.Add(best);
            text.Add(best);
            unseen.Add(left);

            int Best(int start, int size) => Enumerable.Range(start, size).Where(slot => slot != TinyModel.EndOfText).MaxBy(slot => logProbs[slot]);
        }

        return (tokens, unseen);
    }

    private static string TextOf(ServedModel model, List<int> tokens)
    {
        var text = new TextAssembler([]);
        return string.Concat(tokens.Select(token => text.Add(model.Tokenizer.Vocabulary.GetToken(token)))) + text.Finish();
    }

    private sealed record Answer(string Text, string Policy, int BurstTokens, int UnseenTokens, double UnseenMass);
}
