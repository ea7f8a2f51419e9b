using System.Text.Json;

namespace ServerSample;

/// <summary>Puts a request's pieces into the interface's form, whole or as events, in JSON.</summary>
/// <param name="generation">The request.</param>
/// <param name="burst">The policy of bursts; null for none.</param>
internal abstract class AnswerBuilder(Generation generation, BurstOptions? burst)
{
    /// <summary>The whole answer: its choices are their pieces, joined.</summary>
    public abstract byte[] Whole(IReadOnlyList<TextPiece> pieces);

    /// <summary>The events of a streamed answer that a piece makes.</summary>
    public abstract IEnumerable<byte[]> Parts(TextPiece piece);

    /// <summary>The event that closes a stream whose client asked for usage.</summary>
    public abstract byte[] UsagePart();

    /// <summary>An event may say that it has no usage, which is more than to be silent of it.</summary>
    protected static JsonElement NoUsage { get; } = JsonElement.Parse("null");

    protected Generation Generation => generation;

    protected ServedModel Model => generation.Lease.Model;

    protected JsonElement Usage => JsonSerializer.SerializeToElement(
        new CompletionUsage(generation.PromptTokens, generation.CompletionTokens, generation.PromptTokens + generation.CompletionTokens) { Decoding = CompletionDecoding.Of(generation, burst) }, WireFormat.Plain.CompletionUsage);

    /// <summary>Seconds since 1970.</summary>
    protected long Created { get; } = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    protected static string NewId(string prefix) => $"{prefix}-{Guid.NewGuid():N}";

    protected static string? NameOf(FinishReason? finish) => finish switch { FinishReason.Stop => "stop", FinishReason.Length => "length", _ => null };

    protected string TextOf(int token) => TokenText.Of(BytesOf(token));

    protected ReadOnlySpan<byte> BytesOf(int token) => Model.Tokenizer.Vocabulary.GetToken(token);
}
