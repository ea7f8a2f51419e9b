using System.Text.Json.Nodes;

namespace ServerSample;

/// <summary>The requests of a load test: of every kind, and with seeds, so that each has one right answer.</summary>
internal static class LoadRequests
{
    private static readonly string[] s_prompts =
    [
        "Initializes a new instance of the", "method System.String.IndexOf(", "type System.Collections.Generic.", "Gets or sets", "Returns: ",
        "property System.", "Converts the value of", "The parameter is", "Thrown when", "Provides a", "Determines whether", "Represents",
    ];

    /// <summary>The requests.</summary>
    /// <param name="count">How many.</param>
    /// <param name="maxTokens">The tokens of an answer at most; answers have from half as many on.</param>
    public static IReadOnlyList<JsonObject> Create(int count, int maxTokens)
    {
        var requests = new JsonObject[count];
        for (var i = 0; i < count; i++)
        {
            requests[i] = new JsonObject
            {
                ["prompt"] = s_prompts[i % s_prompts.Length],
                ["max_tokens"] = Math.Max(1, (maxTokens / 2) + (i * 7 % ((maxTokens / 2) + 1))),
                ["seed"] = i,
                ["stream"] = true,
                ["stream_options"] = new JsonObject { ["include_usage"] = true },
                ["logprobs"] = i % 3,
            };
            switch (i % 4)
            {
                case 0: requests[i]["temperature"] = 0; break;
                case 1: requests[i]["top_p"] = 0.95; break;
                case 2: requests[i]["temperature"] = 1.2; break;
                default: requests[i]["presence_penalty"] = 0.5; break;
            }
        }

        return requests;
    }
}
