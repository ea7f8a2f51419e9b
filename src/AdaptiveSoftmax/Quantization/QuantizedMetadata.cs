using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What a file of small weights says of them besides their identity: precisions and checksums.</summary>
/// <param name="Precision">The precisions of head and tails.</param>
/// <param name="Checksums">The CRC-32C of each tensor's bytes, by its name without a prefix.</param>
internal sealed record QuantizedMetadata(QuantizationOptions Precision, IReadOnlyDictionary<string, uint> Checksums)
{
    /// <summary>The key in the file's metadata.</summary>
    public const string Key = CheckpointNames.QuantizedKey;

    private const int Version = 1;

    /// <summary>The copies of a certified decoder; null where the file has none.</summary>
    public ScreensMetadata? Screens { get; init; }

    /// <summary>What a file says; null where it holds no small weights.</summary>
    /// <exception cref="WeightsFormatException">It says something else.</exception>
    /// <exception cref="CheckpointMismatchException">A later release wrote it.</exception>
    public static QuantizedMetadata? Find(WeightsFile file)
    {
        if (!file.Metadata.TryGetValue(Key, out var text)) return null;
        try
        {
            using var document = JsonDocument.Parse(text);
            var root = document.RootElement;
            var version = root.GetProperty("version").GetInt32();
            if (version != Version) throw Later(file, FormattableString.Invariant($"its small weights have version {version}, and this release reads version {Version}"));
            return new QuantizedMetadata(
                new QuantizationOptions
                {
                    Head = Parse(file, root.GetProperty("head")),
                    TailOverrides = [.. root.GetProperty("tails").EnumerateArray().Select(tail => Parse(file, tail))],
                },
                root.GetProperty("crc32c").EnumerateObject().ToDictionary(member => member.Name, member => uint.Parse(member.Value.GetString() ?? "", NumberStyles.HexNumber, CultureInfo.InvariantCulture)))
            {
                Screens = root.TryGetProperty("screens", out var screens) ? ParseScreens(file, screens) : null,
            };
        }
        catch (Exception exception) when (MetadataJson.IsFault(exception))
        {
            throw MetadataJson.Fault(file, Key, exception);
        }
    }

    /// <summary>One line of JSON.</summary>
    /// <param name="tails">The number of tails.</param>
    public string ToJson(int tails) => MetadataJson.Write(json =>
    {
        json.WriteNumber("version", Version);
        json.WriteString("head", Precision.Head.GetName());
        json.WriteStartArray("tails");
        for (var i = 0; i < tails; i++) json.WriteStringValue(Precision.OfTail(i).GetName());
        json.WriteEndArray();
        if (Screens is not null)
        {
            json.WriteStartObject("screens");
            json.WriteStartArray("head");
            foreach (var precision in Screens.Head) json.WriteStringValue(precision.GetName());
            json.WriteEndArray();
            json.WriteStartObject("largest_norm");
            foreach (var (name, norm) in Screens.LargestNorms) json.WriteNumber(name, norm);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteStartObject("crc32c");
        foreach (var (name, checksum) in Checksums) json.WriteString(name, Format(checksum));
        json.WriteEndObject();
    });

    /// <summary>A checksum as files have it.</summary>
    public static string Format(uint checksum) => checksum.ToString("x8", CultureInfo.InvariantCulture);

    private static ScreensMetadata ParseScreens(WeightsFile file, JsonElement screens)
    {
        WeightPrecision[] head = [.. screens.GetProperty("head").EnumerateArray().Select(screen => Parse(file, screen))];
        if (head.Length == 0 || head.Any(precision => precision is not (WeightPrecision.Int4 or WeightPrecision.Int8)) || head.Distinct().Count() < head.Length)
            throw new FormatException("Copies for certified decoding are in int4, int8 or both.");
        var norms = screens.GetProperty("largest_norm").EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetDouble());
        if (norms.FirstOrDefault(norm => !(norm.Value >= 0 && double.IsFinite(norm.Value))) is { Key: { } name })
            throw new FormatException($"The largest norm of '{Excerpt.Name(name)}' is no finite number of at least 0.");
        return new ScreensMetadata(head, norms);
    }

    private static WeightPrecision Parse(WeightsFile file, JsonElement element)
    {
        var name = element.GetString() ?? "";
        return WeightPrecisions.TryParse(name, out var precision) ? precision : throw Later(file, $"its precision '{Excerpt.Name(name)}' is none of {string.Join(", ", WeightPrecisions.Names)}");
    }

    private static CheckpointMismatchException Later(WeightsFile file, string difference) => new(file.FileName, [difference], "Load it with the release that wrote it, or a later one.");
}

/// <summary>What a file says of the copies of a certified decoder.</summary>
/// <param name="Head">The precisions of the head's, the coarsest first; those of tails are int8.</param>
/// <param name="LargestNorms">The <see cref="RowErrors.LargestNorm"/> of each copy, by the name of its first tensor.</param>
internal sealed record ScreensMetadata(IReadOnlyList<WeightPrecision> Head, IReadOnlyDictionary<string, double> LargestNorms)
{
    /// <summary>The precisions of the copies of a weight, the coarsest first.</summary>
    public IReadOnlyList<WeightPrecision> Of(int cluster) => cluster == 0 ? Head : [WeightPrecision.Int8];
}
