using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Requests of every kind.</summary>
internal static class Requests
{
    private static readonly string[] s_prompts = ["the", "the cat", "mat. Gr", "then", " 你", "", "off", "xyz"];
    private static readonly string[] s_stops = ["t o", "好", "at", "🙂!", "zz", ". "];

    /// <summary>A request whose answer is the same each time: it has a seed.</summary>
    public static JsonObject Random(Random random)
    {
        var request = new JsonObject
        {
            ["prompt"] = random.Next(5) == 0 ? new JsonArray(Any(s_prompts), Any(s_prompts)) : Any(s_prompts),
            ["seed"] = random.Next(),
            ["max_tokens"] = random.Next(1, 40),
        };
        Sometimes("temperature", () => random.Next(4) == 0 ? 0 : Math.Round(random.NextDouble() * 2, 2));
        Sometimes("top_p", () => Math.Round(random.NextDouble(), 2));
        Sometimes("logprobs", () => random.Next(0, 6));
        Sometimes("n", () => random.Next(1, 4));
        Sometimes("stop", () => random.Next(2) == 0 ? Any(s_stops) : new JsonArray(Any(s_stops), Any(s_stops)));
        Sometimes("logit_bias", () => new JsonObject { [$"{random.Next(0, 268)}"] = random.Next(-100, 8) });
        Sometimes("presence_penalty", () => random.Next(-2, 3));
        Sometimes("frequency_penalty", () => Math.Round((random.NextDouble() * 4) - 2, 2));
        Sometimes("top_k", () => random.Next(0, 40));
        Sometimes("min_p", () => Math.Round(random.NextDouble() * 0.3, 2));
        return request;

        T Any<T>(T[] values) => values[random.Next(values.Length)];

        void Sometimes(string name, Func<JsonNode> value)
        {
            if (random.Next(3) == 0) request[name] = value();
        }
    }
}
