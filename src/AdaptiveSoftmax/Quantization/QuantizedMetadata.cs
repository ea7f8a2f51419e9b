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
                root.GetProperty("crc32c").EnumerateObject().ToDictionary(member => member.Name, member => uint.Parse(member.Value.GetString() ?? "", NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
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
        json.WriteStartObject("crc32c");
        foreach (var (name, checksum) in Checksums) json.WriteString(name, Format(checksum));
        json.WriteEndObject();
    });

    /// <summary>A checksum as files have it.</summary>
    public static string Format(uint checksum) => checksum.ToString("x8", CultureInfo.InvariantCulture);

    private static WeightPrecision Parse(WeightsFile file, JsonElement element)
    {
        var name = element.GetString() ?? "";
        return WeightPrecisions.TryParse(name, out var precision) ? precision : throw Later(file, $"its precision '{Excerpt.Name(name)}' is none of {string.Join(", ", WeightPrecisions.Names)}");
    }

    private static CheckpointMismatchException Later(WeightsFile file, string difference) => new(file.FileName, [difference], "Load it with the release that wrote it, or a later one.");
}
