using System.Buffers.Text;
using System.Globalization;
using System.IO.Compression;
using System.Reflection;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>An encoding whose tokens come with a Microsoft.ML.Tokenizers.Data package.</summary>
internal sealed record BuiltInEncoding(string Name, string DataAssembly, IReadOnlyDictionary<string, int> SpecialTokens)
{
    private const string ResourceSuffix = ".tiktoken.deflate";
    private const string CapacityPrefix = "Capacity: ";

    public static BuiltInEncoding O200kBase { get; } = new("o200k_base", "Microsoft.ML.Tokenizers.Data.O200kBase", new Dictionary<string, int>
    {
        [EncodedVocabulary.EndOfText] = 199999,
        ["<|endofprompt|>"] = 200018,
    });

    public static BuiltInEncoding Cl100kBase { get; } = new("cl100k_base", "Microsoft.ML.Tokenizers.Data.Cl100kBase", new Dictionary<string, int>
    {
        [EncodedVocabulary.EndOfText] = 100257,
        ["<|fim_prefix|>"] = 100258,
        ["<|fim_middle|>"] = 100259,
        ["<|fim_suffix|>"] = 100260,
        ["<|endofprompt|>"] = 100276,
    });

    /// <summary>Its tokens, loaded on first use.</summary>
    public EncodedVocabulary Vocabulary => this == O200kBase ? EncodedVocabulary.O200kBase : EncodedVocabulary.Cl100kBase;

    public static IReadOnlyList<BuiltInEncoding> All { get; } = [O200kBase, Cl100kBase];

    /// <summary>Reads the package's resource: a line with the capacity, then one base64 token a line in order of ids.</summary>
    public EncodedVocabulary LoadVocabulary()
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

        return EncodedVocabulary.Create(Name, tokens, SpecialTokens);
    }

    private byte[] DecodeBase64(string line, int id)
    {
        if (!Base64.IsValid(line))
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"Token {id} of {DataAssembly} is not base64; use the package version that this library was built with."));
        return Convert.FromBase64String(line);
    }
}
