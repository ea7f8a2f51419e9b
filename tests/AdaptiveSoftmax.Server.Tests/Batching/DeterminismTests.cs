using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class DeterminismTests
{
    [Fact]
    public async Task Answer_DoesNotDependOnWhatSharesItsSteps_ToTheLastBitOfLogProbs()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 24, MaxQueue = 10_000 });
        var random = new Random(17);
        JsonObject[] requests = [.. Enumerable.Range(0, 80).Select(_ => Requests.Random(random))];
        foreach (var request in requests) request["logprobs"] = 5;
        var alone = new List<string>();
        foreach (var request in requests) alone.Add((await server.PostAsync(request)).Choices());

        // All at once, several times over, whole and streamed: an answer that is mixed up, lost or different shows.
        var together = await Task.WhenAll(Enumerable.Range(0, 4 * requests.Length).Select(i => Task.Run(async () => i % 2 == 0
            ? (await server.PostAsync(requests[i % requests.Length])).Choices()
            : Answers.Join(await server.StreamAsync(requests[i % requests.Length])))));
        for (var i = 0; i < together.Length; i++) Assert.Equal(alone[i % requests.Length], together[i]);
        Assert.True(server.Engine.Active + server.Engine.Waiting == 0);
    }

    [Fact]
    public void Step_GivesARowTheSameBits_InABatchOfAnySize()
    {
        using var lease = ModelLease.Own(TinyModel.Create());
        using var step = new BatchStep(lease.Share(), maximumRows: 70);
        var random = new Random(1);
        int[][] prompts = [.. Enumerable.Range(0, 70).Select(_ => Enumerable.Range(0, 6).Select(_ => random.Next(lease.Model.Model.Layout.VocabularySize)).ToArray())];
        var expected = new Dictionary<int, string>();
        foreach (var size in new[] { 1, 2, 4, 5, 7, 8, 15, 16, 17, 33, 70 })
        {
            step.Rows.Clear();
            step.Rows.AddRange(Enumerable.Range(0, size).Select(i => Start(lease, prompts[(i + size) % 70], (i + size) % 70)));
            var results = step.Run(out var faults);
            Assert.Empty(faults);
            for (var i = 0; i < size; i++)
            {
                var bits = $"{results[i].Token} {BitConverter.SingleToInt32Bits(results[i].LogProb)} {results[i].TailsVisited}";
                var prompt = (i + size) % 70;
                if (!expected.TryAdd(prompt, bits)) Assert.Equal(expected[prompt], bits);
            }
        }

        static GenerationSequence Start(ModelLease model, int[] prompt, int seed) => new Generation(model, new GenerationOptions { Prompts = [prompt], MaxTokens = 1, Seed = (ulong)seed, Decode = new DecodeOptions { TopP = 0.9f } }).Sequences[0];
    }
}
