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

    private static readonly string[] s_turns = [$"{Mark}System", $"{Mark}User", $"{Mark}Assistant"];

    /// <summary>
    /// What ends an answer: the model goes on with the user's or the system's turn, or with one more of its own. Lines end with
    /// <c>\n</c> or <c>\r\n</c>.
    /// </summary>
    public static IReadOnlyList<string> StopSequences { get; } = [.. s_turns.SelectMany(turn => new[] { $"\n{turn}\n", $"\n{turn}\r\n", $"\r\n{turn}\n", $"\r\n{turn}\r\n" })];

    /// <summary>
    /// What ends an answer that begins with it: such a turn at once. The line end before it is the prompt's last character, so
    /// that none of <see cref="StopSequences"/> is there.
    /// </summary>
    public static IReadOnlyList<string> StartStopSequences { get; } = [.. s_turns.SelectMany(turn => new[] { $"{turn}\n", $"{turn}\r\n" })];

    /// <summary>The prompt of a chat.</summary>
    /// <param name="messages">The messages, which hold text alone.</param>
    /// <exception cref="ArgumentException">A message is null.</exception>
    /// <exception cref="NotSupportedException">A message has another role, or holds something that is no text.</exception>
    public static string Format(IEnumerable<ChatMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var prompt = new StringBuilder();
        foreach (var message in messages)
        {
            if (message is null) throw new ArgumentException("A message is null; leave it out.", nameof(messages));
            Append(NameOf(message.Role));
            foreach (var content in message.Contents)
            {
                if (content is not TextContent text) throw new NotSupportedException($"A message of role '{message.Role}' holds {content?.GetType().Name ?? "null"}; this model reads text alone.");
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
