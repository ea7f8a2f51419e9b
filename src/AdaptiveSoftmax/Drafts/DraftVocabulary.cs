using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;
using static System.FormattableString;

namespace AdaptiveSoftmax;

/// <summary>
/// The tokens that a draft knows, of a larger vocabulary, and the maps between both: EAGLE-3's <c>d2t</c> and <c>t2d</c>, as vLLM,
/// SGLang, SpecForge and llama.cpp's converter read them. It carries the fingerprint of the vocabulary that it belongs to, since a map
/// of another one drafts nonsense that is rejected without an error.
/// </summary>
public sealed class DraftVocabulary
{
    /// <summary>The map from the draft's tokens: the token id of number i is i + d2t[i], int64.</summary>
    public const string ToTarget = "d2t";

    /// <summary>The map to the draft's tokens: whether a token id is among them, bool, one for each row of the target's output layer.</summary>
    public const string FromTarget = "t2d";

    private const string Key = "adaptive_softmax_draft";
    private const int Version = 1;

    private readonly int[] _tokens;

    private DraftVocabulary(int[] tokens, int targetSize, string fingerprint, string fingerprintById) =>
        (_tokens, TargetSize, Fingerprint, FingerprintById) = (tokens, targetSize, fingerprint, fingerprintById);

    /// <summary>The token id of each of the draft's tokens; those that this writes ascend.</summary>
    public ReadOnlySpan<int> Tokens => _tokens;

    /// <summary>The number of the draft's tokens: <c>draft_vocab_size</c> of a draft's configuration.</summary>
    public int Count => _tokens.Length;

    /// <summary>The rows of the target's output layer: <c>vocab_size</c> of its configuration.</summary>
    public int TargetSize { get; }

    /// <summary>The fingerprint of the vocabulary in its order, as specs and weights have it; empty where the file has none.</summary>
    public string Fingerprint { get; }

    /// <summary>The fingerprint of its ids and tokens whatever their order and counts; empty where the file has none.</summary>
    public string FingerprintById { get; }

    /// <summary>Takes the tokens of a draft.</summary>
    /// <param name="choice">The order in which tokens are taken.</param>
    /// <param name="size">The number of tokens.</param>
    /// <param name="targetSize">The rows of the target's output layer; null for one more than the largest id.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary does not allow that size, or the target has no row for a token.</exception>
    public static DraftVocabulary Create(DraftChoice choice, int size, int? targetSize = null)
    {
        ArgumentNullException.ThrowIfNull(choice);
        var tokens = choice.TokensOf(size);
        var largest = 0;
        foreach (var id in choice.Table.Ids) largest = Math.Max(largest, id);
        if (targetSize <= largest) throw new ArgumentOutOfRangeException(nameof(targetSize), targetSize, Invariant($"The largest token id is {largest}, so the target has at least {largest + 1L} rows."));
        return new DraftVocabulary(tokens, targetSize ?? checked(largest + 1), choice.Table.Fingerprint, choice.Table.FingerprintById());
    }

    /// <summary>Reads the maps of a file of weights: one that <see cref="DraftFile.Write(string, DraftVocabulary, WeightsFile?, DenseHead?, Action{int}?, CancellationToken)"/> wrote, or any EAGLE-3 draft.</summary>
    /// <param name="path">The file, an index, or a folder.</param>
    /// <exception cref="WeightsFormatException">There are no maps in it, or they do not agree.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DraftVocabulary Load(string path)
    {
        using var file = WeightsFile.Open(path);
        return Read(file);
    }

    /// <summary>Reads the maps of a stream, such as a resource.</summary>
    /// <param name="stream">The stream, from where it stands to its end. It stays open.</param>
    /// <exception cref="WeightsFormatException">There are no maps in it, or they do not agree.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static DraftVocabulary Load(Stream stream)
    {
        using var file = WeightsFile.Open(stream);
        return Read(file);
    }

    /// <summary>Reads the maps of an open file.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="WeightsFormatException">There are no maps in it, or they do not agree.</exception>
    public static DraftVocabulary Read(WeightsFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var maps = new DraftMaps(file);
        var (fingerprint, byId) = ("", "");
        if (file.Metadata.TryGetValue(Key, out var json))
        {
            try
            {
                using var document = JsonDocument.Parse(json);
                if (document.RootElement.GetProperty("version").GetInt32() is var version && version != Version)
                    throw new CheckpointMismatchException(file.FileName, [Invariant($"its maps have version {version}, and this release reads version {Version}")], "Load it with the release that wrote it, or a later one.");
                fingerprint = document.RootElement.GetProperty("vocabulary_fingerprint").GetString() ?? "";
                byId = document.RootElement.GetProperty("vocabulary_fingerprint_by_id").GetString() ?? "";
            }
            catch (Exception exception) when (MetadataJson.IsFault(exception))
            {
                throw MetadataJson.Fault(file, Key, exception);
            }
        }

        return new DraftVocabulary(maps.Tokens, maps.TargetSize, fingerprint, byId);
    }

    /// <summary>The draft's number for a token; −1 where the draft does not know it.</summary>
    /// <param name="token">The token's id.</param>
    public int Find(int token) => Array.IndexOf(_tokens, token);

    /// <summary>Refuses a vocabulary that these maps do not belong to; its order and its counts do not matter.</summary>
    /// <param name="table">The vocabulary.</param>
    /// <param name="acceptUnmarked">The caller's word that maps without a fingerprint are of this vocabulary.</param>
    /// <exception cref="CheckpointMismatchException">They are of another vocabulary; the message names both.</exception>
    public void Check(TokenTable table, bool acceptUnmarked = false)
    {
        ArgumentNullException.ThrowIfNull(table);
        Check(FingerprintById, table.FingerprintById(), "its ids and tokens", "the vocabulary's", acceptUnmarked);
    }

    /// <summary>Prepares to verify tokens of this draft.</summary>
    /// <param name="target">The softmax to decode with, which must outlive what this gives.</param>
    /// <param name="acceptUnmarked">The caller's word that maps without a fingerprint are of the target's vocabulary.</param>
    /// <exception cref="CheckpointMismatchException">The maps are of another vocabulary; the message names both.</exception>
    /// <exception cref="ArgumentException">The target has no fingerprint, and lacks a token of the draft.</exception>
    public SpeculativeDecoding CreateDecoding(SoftmaxDecoder target, bool acceptUnmarked = false)
    {
        ArgumentNullException.ThrowIfNull(target);
        var own = target.Identity.VocabularyFingerprint;
        if (own.Length > 0) Check(Fingerprint, own, "the vocabulary (ids and tokens, by slot)", "the softmax's", acceptUnmarked);
        return new SpeculativeDecoding(target, _tokens);
    }

    /// <summary>What a file's metadata says of the maps.</summary>
    internal (string Key, string Json) Metadata => (Key, MetadataJson.Write(json =>
    {
        json.WriteNumber("version", Version);
        json.WriteString("vocabulary_fingerprint", Fingerprint);
        json.WriteString("vocabulary_fingerprint_by_id", FingerprintById);
        json.WriteNumber("draft_vocab_size", Count);
        json.WriteNumber("vocab_size", TargetSize);
    }));

    private static void Check(string maps, string other, string what, string whose, bool acceptUnmarked)
    {
        const string Remedy = "Make the maps of this vocabulary: `adaptive-softmax draft` takes its token table.";
        if (maps == other || (maps.Length == 0 && acceptUnmarked)) return;
        throw new CheckpointMismatchException(
            "The draft's vocabulary",
            [maps.Length == 0 ? $"its maps carry no fingerprint, and {whose} is {other}" : $"{what} have the fingerprint {maps} in the maps, and {whose} is {other}"],
            maps.Length == 0 ? "If they are known to be of this vocabulary, say so with acceptUnmarked: true. " + Remedy : Remedy);
    }
}
