using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Tokens that one may want in the head whatever their counts.</summary>
public enum PinGroup
{
    /// <summary>What no text has but a tokenizer adds: <c>&lt;|...|&gt;</c>, <c>&lt;s&gt;</c>, <c>&lt;pad&gt;</c>, <c>[CLS]</c> and their like.</summary>
    Special,

    /// <summary>The special tokens that end a document, a turn or an answer.</summary>
    Stop,

    /// <summary>One mark of punctuation, or a space (also as SentencePiece writes it) and one.</summary>
    Punctuation,
}

/// <summary>Tells kinds of tokens by their bytes, since a table has nothing else to tell them by.</summary>
public static class PinGroups
{
    private const char SentencePieceSpace = '\u2581';

    private static readonly HashSet<string> s_special = new(StringComparer.Ordinal)
    {
        "<s>", "<pad>", "<unk>", "<mask>", "<bos>", "<cls>", "<sep>", "<formula>", "<start_of_turn>",
        "[PAD]", "[UNK]", "[CLS]", "[MASK]", "[BOS]",
    };

    private static readonly HashSet<string> s_stop = new(StringComparer.Ordinal)
    {
        "</s>", "<eos>", "<end_of_turn>", "[SEP]", "[EOS]",
        "<|endoftext|>", "<|end_of_text|>", "<|endofprompt|>", "<|end|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|return|>", "<|call|>",
    };

    /// <summary>The slots of the tokens of a kind, ascending.</summary>
    /// <param name="table">The table.</param>
    /// <param name="kind">The kind.</param>
    /// <exception cref="ArgumentOutOfRangeException">The kind is not defined.</exception>
    public static IReadOnlyList<int> Find(TokenTable table, PinGroup kind)
    {
        if (table is null) throw new ArgumentNullException(nameof(table));
        Func<string, bool> isOfKind = kind switch
        {
            PinGroup.Special => IsSpecial,
            PinGroup.Stop => s_stop.Contains,
            PinGroup.Punctuation => IsPunctuation,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "The kind is not defined."),
        };
        var slots = new List<int>();
        for (var slot = 0; slot < table.Count; slot++)
        {
            if (isOfKind(Encoding.UTF8.GetString(table.GetToken(slot).ToArray()))) slots.Add(slot);
        }

        return slots;
    }

    private static bool IsSpecial(string token) =>
        s_special.Contains(token) || s_stop.Contains(token)
        || (token.Length > 4 && token.StartsWith("<|", StringComparison.Ordinal) && token.EndsWith("|>", StringComparison.Ordinal) && token.IndexOf(' ') < 0);

    private static bool IsPunctuation(string token)
    {
        var mark = token.Length == 2 && (token[0] is ' ' or SentencePieceSpace) ? 1 : 0;
        return token.Length == mark + 1 && CharUnicodeInfo.GetUnicodeCategory(token[mark]) is
            UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation
            or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation;
    }
}
