using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Extensions.AI;
using Microsoft.Extensions.AI;

namespace ServerSample;

/// <summary>Makes the prompt of a chat, by the library's plain template.</summary>
internal static class ChatPrompt
{
    private const string Form = "'messages' must be an array of messages, and not be empty: [{\"role\": \"user\", \"content\": \"Hello\"}].";

    /// <exception cref="ApiException">There is no message, or one is not what it should be.</exception>
    public static string Of(IReadOnlyList<ChatRequestMessage>? messages) =>
        messages is { Count: > 0 } ? PlainChatTemplate.Format(messages.Select(Read)) : throw ApiException.Invalid(Form, "messages");

    private static ChatMessage Read(ChatRequestMessage? message, int index)
    {
        if (message is null) throw ApiException.Invalid(Form, "messages");
        if (IdleMembers.FindOther(message.Unknown) is { } unknown) throw ApiException.Invalid($"A message has '{PrintableText.Quote(unknown)}', which is not supported: messages are texts with a role.", $"messages[{index}].{unknown}", "unknown_parameter");
        return new ChatMessage(RoleOf(message, index), ReadContent(message, index));
    }

    private static ChatRole RoleOf(ChatRequestMessage message, int index) => message.Role switch
    {
        // What OpenAI's newer models call the system.
        "system" or "developer" => ChatRole.System,
        "user" => ChatRole.User,
        "assistant" => ChatRole.Assistant,
        _ => throw ApiException.Invalid($"A message has the role '{PrintableText.Quote(message.Role ?? "")}'; roles are 'system', 'developer', 'user' and 'assistant'.", $"messages[{index}].role"),
    };

    private static string ReadContent(ChatRequestMessage message, int index)
    {
        var name = $"messages[{index}].content";
        var form = $"'{name}' must be a string, or an array of parts such as {{\"type\": \"text\", \"text\": \"Hello\"}}; this model reads text alone.";
        switch (message.Content)
        {
            case { ValueKind: JsonValueKind.String } text:
                return JsonText.Read(text, name);
            case { ValueKind: JsonValueKind.Array } parts:
                var all = new StringBuilder();
                foreach (var part in parts.EnumerateArray())
                {
                    if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String || JsonText.Read(type, name) != "text" || !part.TryGetProperty("text", out var text) || text.ValueKind != JsonValueKind.String)
                        throw ApiException.Invalid(form, name);
                    all.Append(JsonText.Read(text, name));
                }

                return all.ToString();
            // An answer may have been none.
            case null or { ValueKind: JsonValueKind.Null } when message.Role == "assistant":
                return "";
            default:
                throw ApiException.Invalid(form, name);
        }
    }
}
