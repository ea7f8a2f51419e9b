using System.Text.Json;

namespace ServerSample;

/// <summary>The answers of <c>/v1/chat/completions</c>.</summary>
/// <param name="generation">The request.</param>
/// <param name="burst">The policy of bursts; null for none.</param>
/// <param name="countsEvents">Whether events say what the request took: the last one, and the others that they do not.</param>
internal sealed class ChatResponseBuilder(Generation generation, BurstOptions? burst, bool countsEvents) : AnswerBuilder(generation, burst)
{
    private const string Role = "assistant";

    private readonly string _id = NewId("chatcmpl");
    private readonly HashSet<int> _begun = [];

    public override byte[] Whole(IReadOnlyList<TextPiece> pieces)
    {
        var choices = new ChatChoice[Generation.Sequences.Count];
        foreach (var group in pieces.GroupBy(piece => piece.Choice))
        {
            var message = new ChatAnswerMessage(Role, string.Concat(group.Select(piece => piece.Text)));
            choices[group.Key] = new ChatChoice(group.Key, LogProbs([.. group.SelectMany(piece => piece.Tokens)]), NameOf(group.Last().Finish)) { Message = message };
        }

        return Write(Response("chat.completion", choices) with { Usage = Usage });
    }

    // As OpenAI has it, the first event of a choice names the role, and the last one has no text.
    public override IEnumerable<byte[]> Parts(TextPiece piece)
    {
        if (_begun.Add(piece.Choice)) yield return Part(new ChatChoice(piece.Choice, null, null) { Delta = new ChatDelta { Role = Role, Content = "" } });
        if (piece.Text.Length > 0 || piece.Tokens.Count > 0) yield return Part(new ChatChoice(piece.Choice, LogProbs(piece.Tokens), null) { Delta = new ChatDelta { Content = piece.Text } });
        if (piece.Finish is not null) yield return Part(new ChatChoice(piece.Choice, null, NameOf(piece.Finish)) { Delta = new ChatDelta() });
    }

    public override byte[] UsagePart() => Write(Response("chat.completion.chunk", []) with { Usage = Usage });

    private static byte[] Write(ChatCompletionResponse response) => JsonSerializer.SerializeToUtf8Bytes(response, WireFormat.Plain.ChatCompletionResponse);

    private byte[] Part(ChatChoice choice) => Write(Response("chat.completion.chunk", [choice]) with { Usage = countsEvents ? NoUsage : null });

    private ChatCompletionResponse Response(string kind, IReadOnlyList<ChatChoice> choices) =>
        new() { Id = _id, Object = kind, Created = Created, Model = Model.Id, SystemFingerprint = Model.Fingerprint, Choices = choices };

    private ChatLogProbs? LogProbs(IReadOnlyList<TokenReport> tokens) => !Generation.Options.WantsLogProbs ? null : new ChatLogProbs(
        [.. tokens.Select(token => new ChatTokenLogProb(TextOf(token.Token), token.LogProb!.Value, Bytes(token.Token), [.. token.Top.Select(top => new ChatTopLogProb(TextOf(top.Token), top.LogProb, Bytes(top.Token)))]))]);

    private int[] Bytes(int token)
    {
        var bytes = BytesOf(token);
        var numbers = new int[bytes.Length];
        for (var i = 0; i < bytes.Length; i++) numbers[i] = bytes[i];
        return numbers;
    }
}
