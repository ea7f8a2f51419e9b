using System.Text.Json;

namespace ServerSample;

/// <summary>The answers of <c>/v1/completions</c>.</summary>
/// <param name="generation">The request.</param>
/// <param name="burst">The policy of bursts; null for none.</param>
/// <param name="countsEvents">Whether events say what the request took: the last one, and the others that they do not.</param>
internal sealed class ResponseBuilder(Generation generation, BurstOptions? burst, bool countsEvents) : AnswerBuilder(generation, burst)
{
    private readonly string _id = NewId("cmpl");

    public override byte[] Whole(IReadOnlyList<TextPiece> pieces)
    {
        var choices = new CompletionChoice[Generation.Sequences.Count];
        foreach (var group in pieces.GroupBy(piece => piece.Choice))
        {
            var text = string.Concat(group.Select(piece => piece.Text));
            choices[group.Key] = Choice(group.Key, text, [.. group.SelectMany(piece => piece.Tokens)], group.Last().Finish);
        }

        return Write(Response(choices) with { Usage = Usage });
    }

    public override IEnumerable<byte[]> Parts(TextPiece piece) => [Write(Response([Choice(piece.Choice, piece.Text, piece.Tokens, piece.Finish)]) with { Usage = countsEvents ? NoUsage : null })];

    public override byte[] UsagePart() => Write(Response([]) with { Usage = Usage });

    private static byte[] Write(CompletionResponse response) => JsonSerializer.SerializeToUtf8Bytes(response, WireFormat.Plain.CompletionResponse);

    private CompletionResponse Response(IReadOnlyList<CompletionChoice> choices) =>
        new() { Id = _id, Created = Created, Model = Model.Id, SystemFingerprint = Model.Fingerprint, Choices = choices };

    private CompletionChoice Choice(int index, string text, IReadOnlyList<TokenReport> tokens, FinishReason? finish) =>
        new(text, index, Generation.Options.WantsLogProbs ? LogProbs(tokens) : null, NameOf(finish));

    private CompletionLogProbs LogProbs(IReadOnlyList<TokenReport> tokens) => new(
        [.. tokens.Select(token => TextOf(token.Token))],
        [.. tokens.Select(token => token.LogProb)],
        [.. tokens.Select(Top)],
        [.. tokens.Select(token => token.Offset)]);

    // The chosen token is always among them, so there may be one more than asked for. A prompt's first token has none.
    private OrderedDictionary<string, float>? Top(TokenReport token)
    {
        if (token.LogProb is not { } logProb) return null;
        var top = new OrderedDictionary<string, float>();
        foreach (var each in token.Top) top.TryAdd(TextOf(each.Token), each.LogProb);
        top.TryAdd(TextOf(token.Token), logProb);
        return top;
    }
}
