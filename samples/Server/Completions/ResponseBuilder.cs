using System.Text.Json;

namespace ServerSample;

/// <summary>Puts a request's pieces into the interface's form, whole or as events.</summary>
/// <param name="generation">The request.</param>
/// <param name="burst">The policy of bursts; null for none.</param>
/// <param name="countsEvents">Whether events say what the request took: the last one, and the others that they do not.</param>
internal sealed class ResponseBuilder(Generation generation, BurstOptions? burst, bool countsEvents)
{
    private static readonly JsonElement s_null = JsonElement.Parse("null");

    private readonly string _id = $"cmpl-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The whole answer: its choices are their pieces, joined.</summary>
    public CompletionResponse Whole(IReadOnlyList<TextPiece> pieces)
    {
        var choices = new CompletionChoice[generation.Sequences.Count];
        foreach (var group in pieces.GroupBy(piece => piece.Choice))
        {
            var text = string.Concat(group.Select(piece => piece.Text));
            choices[group.Key] = Choice(group.Key, text, [.. group.SelectMany(piece => piece.Tokens)], group.Last().Finish);
        }

        return Response(choices) with { Usage = Usage };
    }

    /// <summary>An event of a streamed answer.</summary>
    public CompletionResponse Part(TextPiece piece) => Response([Choice(piece.Choice, piece.Text, piece.Tokens, piece.Finish)]) with { Usage = countsEvents ? s_null : null };

    /// <summary>The event that closes a stream whose client asked for usage.</summary>
    public CompletionResponse UsagePart() => Response([]) with { Usage = Usage };

    private JsonElement Usage => JsonSerializer.SerializeToElement(
        new CompletionUsage(generation.PromptTokens, generation.CompletionTokens, generation.PromptTokens + generation.CompletionTokens) { Decoding = CompletionDecoding.Of(generation, burst) }, WireFormat.Plain.CompletionUsage);

    private ServedModel Model => generation.Lease.Model;

    private CompletionResponse Response(IReadOnlyList<CompletionChoice> choices) =>
        new() { Id = _id, Created = _created, Model = Model.Id, SystemFingerprint = Model.Fingerprint, Choices = choices };

    private CompletionChoice Choice(int index, string text, IReadOnlyList<TokenReport> tokens, FinishReason? finish) =>
        new(text, index, generation.Options.WantsLogProbs ? LogProbs(tokens) : null, finish switch { FinishReason.Stop => "stop", FinishReason.Length => "length", _ => null });

    private CompletionLogProbs LogProbs(IReadOnlyList<TokenReport> tokens) => new(
        [.. tokens.Select(token => TextOf(token.Token))],
        [.. tokens.Select(token => token.LogProb)],
        [.. tokens.Select(Top)],
        [.. tokens.Select(token => token.Offset)]);

    // The chosen token is always among them, so there may be one more than asked for.
    private OrderedDictionary<string, float> Top(TokenReport token)
    {
        var top = new OrderedDictionary<string, float>();
        foreach (var each in token.Top) top.TryAdd(TextOf(each.Token), each.LogProb);
        top.TryAdd(TextOf(token.Token), token.LogProb);
        return top;
    }

    private string TextOf(int token) => TokenText.Of(Model.Tokenizer.Vocabulary.GetToken(token));
}
