using System.Buffers.Text;
using System.Globalization;
using System.IO.Compression;
using System.Reflection;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>An encoding whose tokens come with a Microsoft.ML.Tokenizers.Data package.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Split">How it splits text into words, one of <see cref="TextSplit.Names"/>.</param>
/// <param name="Data">The package's assembly, without what all of them begin with.</param>
/// <param name="OrdinaryCount">The ids that are followed by special tokens alone.</param>
/// <param name="SpecialTokens">The special tokens.</param>
internal sealed record BuiltInEncoding(string Name, string Split, string Data, int OrdinaryCount, IReadOnlyDictionary<string, int> SpecialTokens)
{
    private const string AssemblyPrefix = "Microsoft.ML.Tokenizers.Data.";
    private const string ResourceSuffix = ".tiktoken.deflate";
    private const string CapacityPrefix = "Capacity: ";
    private const int LongestRun = 25;

    private static readonly Dictionary<string, int> s_gpt2Special = new() { [EncodedVocabulary.EndOfText] = 50256 };

    private readonly Lock _lock = new();
    private EncodedVocabulary? _vocabulary;

    public static BuiltInEncoding O200kBase { get; } = new("o200k_base", TextSplit.O200k, "O200kBase", 199998, new Dictionary<string, int>
    {
        [EncodedVocabulary.EndOfText] = 199999,
        ["<|endofprompt|>"] = 200018,
    });

    public static BuiltInEncoding O200kHarmony { get; } = new("o200k_harmony", TextSplit.O200k, "O200kBase", 199998, new Dictionary<string, int>
    {
        ["<|startoftext|>"] = 199998,
        [EncodedVocabulary.EndOfText] = 199999,
        ["<|return|>"] = 200002,
        ["<|constrain|>"] = 200003,
        ["<|channel|>"] = 200005,
        ["<|start|>"] = 200006,
        ["<|end|>"] = 200007,
        ["<|message|>"] = 200008,
        ["<|call|>"] = 200012,
        ["<|endofprompt|>"] = 200018,
        ["<|reserved_201087|>"] = 201087,
    });

    public static BuiltInEncoding Cl100kBase { get; } = new("cl100k_base", TextSplit.Cl100k, "Cl100kBase", 100256, new Dictionary<string, int>
    {
        [EncodedVocabulary.EndOfText] = 100257,
        ["<|fim_prefix|>"] = 100258,
        ["<|fim_middle|>"] = 100259,
        ["<|fim_suffix|>"] = 100260,
        ["<|endofprompt|>"] = 100276,
    });

    // GPT-2's ranks, and runs of spaces behind the end of text.
    public static BuiltInEncoding P50kBase { get; } = new("p50k_base", TextSplit.Gpt2, "R50kBase", 50281, s_gpt2Special);

    public static BuiltInEncoding R50kBase { get; } = new("r50k_base", TextSplit.Gpt2, "R50kBase", 50256, s_gpt2Special);

    public static BuiltInEncoding Gpt2 { get; } = new("gpt2", TextSplit.Gpt2, "R50kBase", 50256, s_gpt2Special);

    public static IReadOnlyList<BuiltInEncoding> All { get; } = [O200kBase, O200kHarmony, Cl100kBase, P50kBase, R50kBase, Gpt2];

    /// <summary>Its tokens, loaded on first use.</summary>
    public EncodedVocabulary Vocabulary
    {
        get
        {
            lock (_lock) return _vocabulary ??= Load();
        }
    }

    private string DataAssembly => AssemblyPrefix + Data;

    /// <summary>Reads the package's resource: a line with the capacity, then one base64 token a line in order of ids.</summary>
    private EncodedVocabulary Load()
    {
        var assembly = Assembly.Load(DataAssembly);
        var resource = Array.Find(assembly.GetManifestResourceNames(), name => name.EndsWith(ResourceSuffix, StringComparison.Ordinal))
            ?? throw new InvalidDataException($"{DataAssembly} has no resource *{ResourceSuffix}; use the package version that this library was built with.");
        using var stream = assembly.GetManifestResourceStream(resource)!;
        using var inflated = new DeflateStream(stream, CompressionMode.Decompress);
        using var reader = new StreamReader(inflated, Encoding.ASCII);

        var tokens = new List<byte[]?>(capacity: 200_000);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith(CapacityPrefix, StringComparison.Ordinal)) continue;
            tokens.Add(line.Length == 0 ? null : DecodeBase64(line, tokens.Count));
        }

        if (this == P50kBase)
        {
            tokens.Add(null);
            for (var length = 2; length <= LongestRun; length++) tokens.Add([.. Enumerable.Repeat((byte)' ', length)]);
        }

        return EncodedVocabulary.Create(Name, tokens, SpecialTokens);
    }

    private byte[] DecodeBase64(string line, int id)
    {
        if (!Base64.IsValid(line))
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"Token {id} of {DataAssembly} is not base64; use the package version that this library was built with."));
        return Convert.FromBase64String(line);
    }
}
