using System.Text.Json;

namespace ServerSample;

/// <summary>Members that ask for nothing: clients send them along, such as those of an answer that comes back as a message.</summary>
internal static class IdleMembers
{
    /// <summary>The first of the members that the interface does not know which asks for something; null where none does.</summary>
    public static string? FindOther(Dictionary<string, JsonElement>? unknown) =>
        unknown?.Where(member => !IsIdle(member.Key, member.Value)).Select(member => member.Key).FirstOrDefault();

    private static bool IsIdle(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => true,
        JsonValueKind.Array => name is "tools" or "tool_calls" or "functions" or "annotations" && value.GetArrayLength() == 0,
        JsonValueKind.False => name == "store",
        _ => false,
    };
}
