using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace ServerSample;

/// <summary>What a number of clients got.</summary>
/// <param name="Clients">The clients, each of which asks, reads the answer and asks again.</param>
/// <param name="Requests">The answers, all of which were read to their end.</param>
/// <param name="Wrong">The answers that were not the one that the same request has alone, and had no token under a burst's policy.</param>
/// <param name="InBurst">The answers with tokens under a burst's policy, which may be others.</param>
/// <param name="UnseenMass">The probability of what the policy left out, the mean over all tokens.</param>
/// <param name="TokensPerSecond">The tokens of all answers over the time of all.</param>
/// <param name="RequestsPerSecond">The answers over the time of all.</param>
/// <param name="Request">The time of a request, to the end of its answer.</param>
/// <param name="FirstText">The time to the first text.</param>
internal sealed record LoadLevel(int Clients, int Requests, int Wrong, int InBurst, double UnseenMass, double TokensPerSecond, double RequestsPerSecond, LatencySnapshot Request, LatencySnapshot FirstText);

/// <summary>
/// Asks with one client and then with more, and compares every answer with what the same request had alone. Bounded by a
/// number of requests.
/// </summary>
internal sealed class LoadTest(HttpClient client, IReadOnlyList<JsonObject> requests)
{
    private readonly List<string> _expected = [];

    /// <summary>Asks each request alone, for the right answers.</summary>
    public async Task PrepareAsync(CancellationToken cancellation)
    {
        foreach (var request in requests) _expected.Add((await LoadClient.AskAsync(client, request, cancellation)).Content);
    }

    /// <summary>Asks with so many clients at once.</summary>
    /// <param name="clients">The clients.</param>
    /// <param name="count">The requests of all clients together.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="InvalidDataException">A request has no answer, or two answers have one name.</exception>
    public async Task<LoadLevel> RunAsync(int clients, int count, CancellationToken cancellation)
    {
        var answers = new ConcurrentDictionary<string, (int Request, LoadAnswer Answer)>();
        var next = -1;
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(AskOnAndOnAsync, cancellation)));
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (answers.Count != count) throw new InvalidDataException($"{count} requests have {answers.Count} answers.");

        var (total, first) = (new LatencyWindow(count), new LatencyWindow(count));
        foreach (var (_, answer) in answers.Values)
        {
            total.Add(answer.Total);
            first.Add(answer.FirstText);
        }

        var tokens = (double)answers.Values.Sum(each => each.Answer.Tokens);
        return new LoadLevel(
            clients,
            count,
            answers.Values.Count(each => each.Answer.BurstTokens == 0 && each.Answer.Content != _expected[each.Request]),
            answers.Values.Count(each => each.Answer.BurstTokens > 0),
            answers.Values.Sum(each => each.Answer.UnseenMass) / tokens,
            tokens / seconds,
            count / seconds,
            total.Snapshot()!,
            first.Snapshot()!);

        async Task AskOnAndOnAsync()
        {
            while (Interlocked.Increment(ref next) is var i && i < count)
            {
                var request = i % requests.Count;
                var answer = await LoadClient.AskAsync(client, requests[request], cancellation);
                if (!answers.TryAdd(answer.Id, (request, answer))) throw new InvalidDataException($"Two answers are named {answer.Id}.");
            }
        }
    }
}
