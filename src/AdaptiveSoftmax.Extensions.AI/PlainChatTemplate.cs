using System.Text;
using Microsoft.Extensions.AI;

namespace AdaptiveSoftmax.Extensions.AI;

/// <summary>
/// A chat as plain text, for models without special tokens: a line <c>### System</c>, <c>### User</c> or <c>### Assistant</c>
/// before each message, an empty line behind it, and <c>### Assistant</c> before the answer. Text of a message that looks like such a line is
/// not told from one.
/// </summary>
public static class PlainChatTemplate
{
    private const string Mark = "### ";

    /// <summary>What ends an answer: the model goes on with the user's or the system's turn, or with one more of its own.</summary>
    public static IReadOnlyList<string> StopSequences { get; } = [.. new[] { "System", "User", "Assistant" }.Select(name => $"\n{Mark}{name}\n")];

    /// <summary>The prompt of a chat.</summary>
    /// <param name="messages">The messages, which hold text alone.</param>
    /// <exception cref="NotSupportedException">A message has another role, or holds something that is no text.</exception>
    public static string Format(IEnumerable<ChatMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var prompt = new StringBuilder();
        foreach (var message in messages)
        {
            Append(NameOf(message.Role));
            foreach (var content in message.Contents)
            {
                if (content is not TextContent text) throw new NotSupportedException($"A message of role '{message.Role}' holds {content.GetType().Name}; this model reads text alone.");
                prompt.Append(text.Text);
            }

            prompt.Append("\n\n");
        }

        Append("Assistant");
        return prompt.ToString();

        void Append(string name) => prompt.Append(Mark).Append(name).Append('\n');
    }

    private static string NameOf(ChatRole role) =>
        role == ChatRole.System ? "System"
        : role == ChatRole.User ? "User"
        : role == ChatRole.Assistant ? "Assistant"
        : throw new NotSupportedException($"A message has the role '{role}'; this model knows 'system', 'user' and 'assistant'.");
}
