using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// How text is split into words before words are encoded. Ranks do not say it, and the same ranks over other words give
/// other tokens.
/// </summary>
internal static partial class TextSplit
{
    public const string O200k = "o200k_base";
    public const string Cl100k = "cl100k_base";
    public const string Gpt2 = "gpt2";

    /// <summary>The names: those of encodings that brought a split of their own. GPT-2's is shared by Whisper and the encodings of GPT-3.</summary>
    public static IReadOnlyList<string> Names { get; } = [O200k, Cl100k, Gpt2];

    /// <summary>The name as <see cref="Names"/> has it of one that may be shortened, as in <c>o200k</c>, or an encoding's; null where there is none.</summary>
    public static string? Find(string name) => Names.FirstOrDefault(known => known == name || known == $"{name}_base")
        ?? BuiltInEncoding.All.FirstOrDefault(known => known.Name == name || known.Name == $"{name}_base")?.Split;

    /// <summary>The pattern of one of <see cref="Names"/>.</summary>
    public static Regex PatternOf(string name) => name switch
    {
        O200k => O200kPattern(),
        Cl100k => Cl100kPattern(),
        _ => Gpt2Pattern(),
    };

    /// <summary>The pattern that finds special tokens, the longest of those that begin at a place; null where there are none.</summary>
    public static Regex? PatternOf(IEnumerable<string> specialTokens)
    {
        var names = specialTokens.OrderByDescending(name => name.Length).ThenBy(name => name, StringComparer.Ordinal).Select(Regex.Escape).ToList();
        return names.Count == 0 ? null : new Regex(string.Join('|', names), RegexOptions.CultureInvariant);
    }

    [GeneratedRegex("""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""", RegexOptions.CultureInvariant)]
    private static partial Regex O200kPattern();

    [GeneratedRegex("""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""", RegexOptions.CultureInvariant)]
    private static partial Regex Cl100kPattern();

    [GeneratedRegex("""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", RegexOptions.CultureInvariant)]
    private static partial Regex Gpt2Pattern();
}
