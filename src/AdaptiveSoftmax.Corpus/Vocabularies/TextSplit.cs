using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// How text is split into words before words are encoded. Ranks do not say it, and the same ranks over other words give
/// other tokens.
/// </summary>
internal static partial class TextSplit
{
    private const string Gpt2 = "gpt2";

    /// <summary>The names: those of the built-in encodings, and GPT-2's, which Whisper and the encodings of GPT-3 share.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. BuiltInEncoding.All.Select(encoding => encoding.Name), Gpt2];

    /// <summary>The name as <see cref="Names"/> has it of one that may be shortened, as in <c>o200k</c>; null where there is none.</summary>
    public static string? Find(string name) => name is "r50k" or "r50k_base" or "p50k" or "p50k_base" ? Gpt2 : Names.FirstOrDefault(known => known == name || known == $"{name}_base");

    /// <summary>The splitter of one of <see cref="Names"/>, which keeps special tokens whole.</summary>
    public static PreTokenizer Create(string name, IReadOnlyDictionary<string, int> specialTokens)
    {
        var pattern = name switch
        {
            "o200k_base" => O200kPattern(),
            "cl100k_base" => Cl100kPattern(),
            _ => Gpt2Pattern(),
        };
        // Longer names first, for the splitter takes the first that fits.
        return new RegexPreTokenizer(pattern, specialTokens.Count == 0 ? null : specialTokens.OrderByDescending(special => special.Key.Length).ToDictionary());
    }

    [GeneratedRegex("""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""", RegexOptions.CultureInvariant)]
    private static partial Regex O200kPattern();

    [GeneratedRegex("""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""", RegexOptions.CultureInvariant)]
    private static partial Regex Cl100kPattern();

    [GeneratedRegex("""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", RegexOptions.CultureInvariant)]
    private static partial Regex Gpt2Pattern();
}
