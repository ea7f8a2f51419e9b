using System.Diagnostics;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ServerSample;

/// <summary>A streamed answer and how long it took.</summary>
/// <param name="Id">The answer's own name.</param>
/// <param name="Content">All that must be the same each time: texts, log-probs to the last bit, and why it ended.</param>
/// <param name="Tokens">The tokens made.</param>
/// <param name="BurstTokens">Those of them that were made under a burst's policy.</param>
/// <param name="UnseenMass">The probability of what the policy left out, summed over the tokens.</param>
/// <param name="FirstText">The time to the first text.</param>
/// <param name="Total">The time to the end.</param>
internal sealed record LoadAnswer(string Id, string Content, int Tokens, int BurstTokens, double UnseenMass, TimeSpan FirstText, TimeSpan Total);

/// <summary>Asks as a client does, over HTTP.</summary>
internal static class LoadClient
{
    /// <summary>Sends a request for a stream and reads the answer to its end.</summary>
    /// <exception cref="InvalidDataException">The request was refused, or the stream ended before its end.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public static async Task<LoadAnswer> AskAsync(HttpClient client, JsonObject request, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        using var message = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Content = JsonContent.Create(request) };
        using var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellation);
        if (!response.IsSuccessStatusCode)
            throw new InvalidDataException($"The server answers with status {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellation)}");
        await using var body = await response.Content.ReadAsStreamAsync(cancellation);
        var (id, tokens, burstTokens, unseen, firstText) = ("", 0, 0, 0.0, TimeSpan.Zero);
        var (text, logProbs, finish) = (new StringBuilder(), new StringBuilder(), "");
        await foreach (var item in SseParser.Create(body).EnumerateAsync(cancellation))
        {
            if (item.Data == "[DONE]")
                return new LoadAnswer(id, $"{text}\n{logProbs}\n{finish}", tokens, burstTokens, unseen, firstText, Stopwatch.GetElapsedTime(start));
            using var part = JsonDocument.Parse(item.Data);
            var root = part.RootElement;
            if (root.TryGetProperty("error", out var error)) throw new InvalidDataException($"The answer ends with an error: {error.GetRawText()}");
            id = root.GetProperty("id").GetString()!;
            if (root.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
            {
                tokens = usage.GetProperty("completion_tokens").GetInt32();
                if (usage.TryGetProperty("decoding", out var decoding))
                    (burstTokens, unseen) = (decoding.GetProperty("burst_tokens").GetInt32(), tokens * decoding.GetProperty("unseen_mass").GetDouble());
            }

            foreach (var choice in root.GetProperty("choices").EnumerateArray())
            {
                if (firstText == TimeSpan.Zero) firstText = Stopwatch.GetElapsedTime(start);
                text.Append(choice.GetProperty("text").GetString());
                if (choice.GetProperty("logprobs") is { ValueKind: JsonValueKind.Object } values) logProbs.Append(values.GetProperty("tokens").GetRawText()).Append(values.GetProperty("token_logprobs").GetRawText());
                finish = choice.GetProperty("finish_reason").GetString() ?? finish;
            }
        }

        throw new InvalidDataException("The stream ended without [DONE].");
    }
}
