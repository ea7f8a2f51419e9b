using System.Buffers;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// The tokens of a byte-pair encoding as bytes, by id. Every id from 0 to <see cref="Count"/> − 1 has a token: an
/// ordinary one, a special one such as <c>&lt;|endoftext|&gt;</c>, or, where the encoding leaves a gap between
/// them, the name <c>&lt;|reserved_ID|&gt;</c>. Many tokens are not valid UTF-8 alone, so none is a string.
/// Instances are immutable and safe to share between threads.
/// </summary>
public sealed class EncodedVocabulary
{
    /// <summary>The name that the special token has, where a caller names no other, that ends a document.</summary>
    public const string EndOfText = "<|endoftext|>";

    private readonly byte[] _bytes;
    private readonly int[] _starts;
    private readonly TokenKind[] _kinds;

    private EncodedVocabulary(string name, byte[] bytes, int[] starts, TokenKind[] kinds, IReadOnlyDictionary<string, int> specialTokens, string endOfText)
    {
        EndOfTextId = specialTokens.TryGetValue(endOfText, out var id) ? id : -1;
        Name = name;
        SpecialTokens = specialTokens;
        _bytes = bytes;
        _starts = starts;
        _kinds = kinds;
    }

    /// <summary>The tokens of <c>o200k_base</c>: 200,019 ids, loaded on first use.</summary>
    public static EncodedVocabulary O200kBase => BuiltInEncoding.O200kBase.Vocabulary;

    /// <summary>The tokens of <c>cl100k_base</c>: 100,277 ids, loaded on first use.</summary>
    public static EncodedVocabulary Cl100kBase => BuiltInEncoding.Cl100kBase.Vocabulary;

    /// <summary>The encoding's name, for example <c>o200k_base</c>.</summary>
    public string Name { get; }

    /// <summary>The number of ids, gaps included.</summary>
    public int Count => _kinds.Length;

    /// <summary>The special tokens by name.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>The id of the special token that ends a document, by default <see cref="EndOfText"/>; −1 where the encoding has none.</summary>
    public int EndOfTextId { get; }

    /// <summary>The ids that are followed by special tokens alone.</summary>
    internal int OrdinaryCount => Array.LastIndexOf(_kinds, TokenKind.Ordinary) + 1;

    /// <summary>The bytes of a token.</summary>
    /// <param name="id">An id in [0, <see cref="Count"/>).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public ReadOnlySpan<byte> GetToken(int id)
    {
        CheckId(id);
        return _bytes.AsSpan(_starts[id]..(_starts[id + 1]));
    }

    /// <summary>What an id stands for.</summary>
    /// <param name="id">An id in [0, <see cref="Count"/>).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public TokenKind GetKind(int id)
    {
        CheckId(id);
        return _kinds[id];
    }

    /// <summary>Appends the bytes of tokens one after the other. Special tokens are written by their names.</summary>
    /// <param name="ids">Ids in [0, <see cref="Count"/>).</param>
    /// <param name="writer">Where the bytes go.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public void Decode(ReadOnlySpan<int> ids, IBufferWriter<byte> writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        foreach (var id in ids) writer.Write(GetToken(id));
    }

    /// <summary>The text of tokens; bytes that are not UTF-8 even when joined become U+FFFD.</summary>
    /// <param name="ids">Ids in [0, <see cref="Count"/>).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var buffer = new ArrayBufferWriter<byte>();
        Decode(ids, buffer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Builds a vocabulary from ordinary tokens by id and special tokens by name.</summary>
    internal static EncodedVocabulary Create(string name, IReadOnlyList<byte[]?> ordinary, IReadOnlyDictionary<string, int> specialTokens, string endOfText = EndOfText)
    {
        var count = ordinary.Count;
        foreach (var id in specialTokens.Values) count = Math.Max(count, id + 1);

        var tokens = new byte[]?[count];
        var kinds = new TokenKind[count];
        for (var id = 0; id < ordinary.Count; id++) tokens[id] = ordinary[id];
        foreach (var (token, id) in specialTokens)
        {
            if (tokens[id] is not null)
                throw new InvalidDataException(FormattableString.Invariant($"The special token {token} of {name} has id {id}, which an ordinary token has already. Give it another id."));
            tokens[id] = Encoding.UTF8.GetBytes(token);
            kinds[id] = TokenKind.Special;
        }

        var total = 0;
        for (var id = 0; id < count; id++)
        {
            if (tokens[id] is null)
            {
                tokens[id] = Encoding.UTF8.GetBytes(FormattableString.Invariant($"<|reserved_{id}|>"));
                kinds[id] = TokenKind.Reserved;
            }

            total += tokens[id]!.Length;
        }

        var bytes = new byte[total];
        var starts = new int[count + 1];
        for (var id = 0; id < count; id++)
        {
            tokens[id]!.CopyTo(bytes, starts[id]);
            starts[id + 1] = starts[id] + tokens[id]!.Length;
        }

        return new EncodedVocabulary(name, bytes, starts, kinds, specialTokens, endOfText);
    }

    private void CheckId(int id)
    {
        if ((uint)id >= (uint)Count)
            throw new ArgumentOutOfRangeException(nameof(id), id, FormattableString.Invariant($"{Name} has ids from 0 to {Count - 1}."));
    }
}
