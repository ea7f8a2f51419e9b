using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The identity of an adaptive softmax in a file's metadata, and its comparison with the class that the weights are
/// loaded into.
/// </summary>
internal sealed record IdentityMetadata(
    string Fingerprint,
    string VocabularyFingerprint,
    int HiddenSize,
    int VocabularySize,
    int[] Cutoffs,
    int[] Projections,
    bool HasHeadBias)
{
    /// <summary>The key in the file's metadata.</summary>
    public const string Key = "adaptive_softmax";

    private const int Version = 1;

    /// <summary>What logits are multiplied by.</summary>
    public double LogitScale { get; init; } = 1;

    /// <summary>The soft cap of logits; ∞ for none.</summary>
    public double LogitSoftCap { get; init; } = double.PositiveInfinity;

    /// <summary>Whether it says which vocabulary; a layer without one, of sizes alone, has no fingerprint.</summary>
    public bool IsMarked => Fingerprint.Length > 0;

    /// <summary>
    /// The one rule by which weights come into a layer, from a file or a module. Sizes must agree. Where both sides have a
    /// fingerprint, these must agree too. A layer without one takes any weights of its sizes; a layer with one takes weights
    /// without on the caller's word alone.
    /// </summary>
    /// <param name="source">Where the weights are, for messages.</param>
    /// <param name="weights">What they say of themselves, or null.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="acceptUnmarked">The caller's word that the weights' classes are the layer's slots.</param>
    /// <param name="remedy">What to do where both say something else.</param>
    /// <exception cref="CheckpointMismatchException">The weights are not for the layer.</exception>
    public static void Check(string source, IdentityMetadata? weights, SoftmaxIdentity layer, bool acceptUnmarked, string remedy)
    {
        var expected = From(layer);
        if (weights?.Compare(expected) is { Count: > 0 } differences) throw new CheckpointMismatchException(source, differences, remedy);
        if (weights is { IsMarked: true } || !expected.IsMarked || acceptUnmarked) return;
        throw new CheckpointMismatchException(
            source,
            ["it carries no fingerprint, so nothing says which token each of its rows belongs to"],
            "If its classes are known to be this vocabulary's slots in order, load it with acceptUnmarked: true.");
    }

    /// <summary>Describes the identity of a layer.</summary>
    public static IdentityMetadata From(SoftmaxIdentity identity) => new(
        identity.Fingerprint,
        identity.VocabularyFingerprint,
        identity.Layout.HiddenSize,
        identity.Layout.VocabularySize,
        [.. identity.Layout.Tails.Select(tail => tail.Start)],
        [.. identity.Layout.Tails.Select(tail => tail.ProjectionWidth)],
        identity.Layout.HasHeadBias)
    {
        LogitScale = identity.Layout.LogitScale,
        LogitSoftCap = identity.Layout.LogitSoftCap,
    };

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static IdentityMetadata Parse(WeightsFile file, string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var version = root.GetProperty("version").GetInt32();
            if (version != Version)
                throw new CheckpointMismatchException(file.FileName, [FormattableString.Invariant($"its layout has version {version}, and this release reads version {Version}")], "Load it with the release that wrote it, or a later one.");
            return new IdentityMetadata(
                root.GetProperty("fingerprint").GetString() ?? "",
                root.GetProperty("vocabulary_fingerprint").GetString() ?? "",
                root.GetProperty("hidden_size").GetInt32(),
                root.GetProperty("vocabulary_size").GetInt32(),
                [.. root.GetProperty("cutoffs").EnumerateArray().Select(element => element.GetInt32())],
                [.. root.GetProperty("projections").EnumerateArray().Select(element => element.GetInt32())],
                root.GetProperty("head_bias").GetBoolean())
            {
                LogitScale = root.TryGetProperty("logit_scale", out var scale) ? scale.GetDouble() : 1,
                LogitSoftCap = root.TryGetProperty("logit_soft_cap", out var cap) ? cap.GetDouble() : double.PositiveInfinity,
            };
        }
        catch (Exception exception) when (MetadataJson.IsFault(exception))
        {
            throw MetadataJson.Fault(file, Key, exception);
        }
    }

    /// <summary>One line of JSON.</summary>
    public string ToJson() => MetadataJson.Write(json =>
    {
        json.WriteNumber("version", Version);
        json.WriteString("fingerprint", Fingerprint);
        json.WriteString("vocabulary_fingerprint", VocabularyFingerprint);
        json.WriteNumber("hidden_size", HiddenSize);
        json.WriteNumber("vocabulary_size", VocabularySize);
        WriteNumbers(json, "cutoffs", Cutoffs);
        WriteNumbers(json, "projections", Projections);
        json.WriteBoolean("head_bias", HasHeadBias);
        if (LogitScale != 1) json.WriteNumber("logit_scale", LogitScale);
        if (!double.IsInfinity(LogitSoftCap)) json.WriteNumber("logit_soft_cap", LogitSoftCap);
    });

    /// <summary>What differs between a file (this) and the class or spec it is for; empty where they agree.</summary>
    public List<string> Compare(IdentityMetadata expected, string where = "the class")
    {
        var differences = new List<string>();
        Add("hidden size", Format(HiddenSize), Format(expected.HiddenSize));
        Add("vocabulary size", Format(VocabularySize), Format(expected.VocabularySize));
        Add("cutoffs", Format(Cutoffs), Format(expected.Cutoffs));
        Add("projections", Format(Projections), Format(expected.Projections));
        Add("head bias", HasHeadBias ? "present" : "absent", expected.HasHeadBias ? "present" : "absent");
        Add("logit scale", Format(LogitScale), Format(expected.LogitScale));
        Add("soft cap of logits", Format(LogitSoftCap), Format(expected.LogitSoftCap));
        if (!IsMarked || !expected.IsMarked) return differences;
        Add("vocabulary (ids or tokens, by slot)", VocabularyFingerprint, expected.VocabularyFingerprint);
        if (differences.Count == 0) Add("fingerprint", Fingerprint, expected.Fingerprint);
        return differences;

        void Add(string what, string file, string here)
        {
            if (file != here) differences.Add($"{what}: {Excerpt.Name(file)} in the file, {Excerpt.Name(here)} in {where}");
        }
    }

    private static string Format(double factor) => double.IsInfinity(factor) ? "none" : factor.ToString("R", CultureInfo.InvariantCulture);

    private static string Format(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Format(int[] numbers) => $"[{string.Join(", ", numbers.Select(Format))}]";

    private static void WriteNumbers(Utf8JsonWriter json, string name, int[] numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
