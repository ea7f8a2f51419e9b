using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>What tests read of answers.</summary>
internal static class Answers
{
    public static string Text(this JsonNode answer, int choice = 0) => (string)answer["choices"]![choice]!["text"]!;

    public static string Finish(this JsonNode answer, int choice = 0) => (string)answer["choices"]![choice]!["finish_reason"]!;

    /// <summary>All that must not depend on when and beside whom a request was answered, log-probs to the last bit.</summary>
    public static string Choices(this JsonNode answer) => answer["choices"]!.ToJsonString();

    /// <summary>The choices of a whole answer, put together from the events of a stream.</summary>
    public static string Join(IEnumerable<JsonNode> events)
    {
        var choices = new SortedDictionary<int, JsonObject>();
        foreach (var part in events.SelectMany(each => each["choices"]!.AsArray()).Select(part => part!.AsObject()))
        {
            if (!choices.TryGetValue((int)part["index"]!, out var choice))
            {
                choices.Add((int)part["index"]!, part.DeepClone().AsObject());
                continue;
            }

            Assert.Null(choice["finish_reason"]);
            choice["text"] = (string)choice["text"]! + (string)part["text"]!;
            choice["finish_reason"] = part["finish_reason"]?.DeepClone();
            if (part["logprobs"] is not JsonObject logProbs) continue;
            foreach (var (name, values) in logProbs)
            {
                foreach (var value in values!.AsArray()) choice["logprobs"]![name]!.AsArray().Add(value!.DeepClone());
            }
        }

        return new JsonArray([.. choices.Values]).ToJsonString();
    }
}
