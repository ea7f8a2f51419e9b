using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Machine profiles in files: JSON with the version of the form, which docs/planning.md describes. The same profile gives
/// the same bytes on every platform.
/// </summary>
public static class MachineProfileFile
{
    private const int Version = 2;
    private const string Form = "adaptive-softmax machine profile";

    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        // What a device's profile does not have, and a processor's "device".
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        AllowTrailingCommas = true,
        ReadCommentHandling = JsonCommentHandling.Skip,
    };

    /// <summary>The text of a profile.</summary>
    /// <param name="profile">The profile.</param>
    public static string ToText(MachineProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        return JsonSerializer.Serialize(
            new Content
            {
                Format = Form,
                Version = Version,
                Name = profile.Name,
                Device = profile.Device,
                Threads = profile.Threads,
                Training = Describe(profile.Training),
                Greedy = Describe(profile.Greedy),
                TopK = profile.TopK is { } topK ? Describe(topK) : null,
                Sampling = profile.Sampling is { } sampling ? Describe(sampling) : null,
                GreedyFar = profile.FarGreedy is { } farGreedy ? Describe(farGreedy) : null,
                SamplingFar = profile.FarSampling is { } farSampling ? Describe(farSampling) : null,
                SelectionNanoseconds = profile.TopK is null ? null : Round(profile.SelectionTime),
                Memory = new MemoryContent([.. profile.Memory.Bytes], Round(profile.Memory.GigabytesPerSecond)),
                UpdateNanoseconds = Round(profile.UpdateTime),
                TrainingHeadNanoseconds = Round(profile.TrainingHeadTime),
                TrainingTailNanoseconds = Round(profile.TrainingTailTime),
                DecodingHeadNanoseconds = Round(profile.DecodingHeadTime),
                DecodingTailNanoseconds = Round(profile.DecodingTailTime),
                BatchHeadNanoseconds = Round(profile.BatchHeadTime),
                BatchTailNanoseconds = Round(profile.BatchTailTime),
            },
            s_options) + "\n";
    }

    /// <summary>Writes a profile, whole or not at all.</summary>
    /// <param name="path">The file, which is replaced.</param>
    /// <param name="profile">The profile.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static void Save(string path, MachineProfile profile) => AtomicFile.WriteText(path, writer => writer.Write(ToText(profile)));

    /// <summary>Reads a profile.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FormatException">It is no profile, or one of a form that this release does not know; the message says what is wrong with it.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static MachineProfile Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Parse(File.ReadAllText(path), path);
    }

    /// <summary>Reads a profile's text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">What the text is called in messages.</param>
    /// <exception cref="FormatException">It is no profile, or one of a form that this release does not know; the message says what is wrong with it.</exception>
    public static MachineProfile Parse(string text, string name)
    {
        ArgumentNullException.ThrowIfNull(text);
        const string Remedy = "Write one with `adaptive-softmax calibrate`.";
        try
        {
            var content = JsonSerializer.Deserialize<Content>(text, s_options);
            if (content?.Format != Form) throw new FormatException($"{name} is no machine profile: its \"format\" is not \"{Form}\". {Remedy}");
            if (content.Version != Version) throw new FormatException(FormattableString.Invariant($"{name} is a machine profile of version {content.Version}, and this release knows version {Version}. {Remedy}"));
            if (content.Threads < 1) throw new FormatException(FormattableString.Invariant($"{name} gives {content.Threads} threads; there is at least 1. {Remedy}"));
            return new MachineProfile
            {
                Name = Require(content.Name, nameof(content.Name)),
                Device = content.Device,
                Threads = content.Threads,
                Training = Read(content.Training, nameof(content.Training)),
                Greedy = Read(content.Greedy, nameof(content.Greedy)),
                TopK = content.Device is not null ? null : Read(content.TopK, nameof(content.TopK)),
                Sampling = content.Device is not null ? null : Read(content.Sampling, nameof(content.Sampling)),
                FarGreedy = content.GreedyFar is null ? null : Read(content.GreedyFar, nameof(content.GreedyFar)),
                FarSampling = content.SamplingFar is null ? null : Read(content.SamplingFar, nameof(content.SamplingFar)),
                SelectionTime = content.Device is not null ? 0 : Time(content.SelectionNanoseconds, nameof(content.SelectionNanoseconds)),
                Memory = ReadMemory(Require(content.Memory, nameof(content.Memory))),
                UpdateTime = Time(content.UpdateNanoseconds, nameof(content.UpdateNanoseconds)),
                TrainingHeadTime = Time(content.TrainingHeadNanoseconds, nameof(content.TrainingHeadNanoseconds)),
                TrainingTailTime = Time(content.TrainingTailNanoseconds, nameof(content.TrainingTailNanoseconds)),
                DecodingHeadTime = Time(content.DecodingHeadNanoseconds, nameof(content.DecodingHeadNanoseconds)),
                DecodingTailTime = Time(content.DecodingTailNanoseconds, nameof(content.DecodingTailNanoseconds)),
                // Files of earlier releases of this version do not tell several tokens from one.
                BatchHeadTime = Time(content.BatchHeadNanoseconds ?? content.DecodingHeadNanoseconds, nameof(content.BatchHeadNanoseconds)),
                BatchTailTime = Time(content.BatchTailNanoseconds ?? content.DecodingTailNanoseconds, nameof(content.BatchTailNanoseconds)),
            };
        }
        catch (JsonException exception)
        {
            throw new FormatException($"{name} is no machine profile: {exception.Message} {Remedy}", exception);
        }
        catch (ArgumentException exception)
        {
            throw new FormatException($"{name} is a machine profile with a mistake: {exception.Message} {Remedy}", exception);
        }
    }

    private static TimesContent Describe(ProductTimes times) =>
        new([.. times.Widths], [.. times.Batches], [.. times.Nanoseconds.Chunk(times.Batches.Count).Select(Round)]);

    private static ProductTimes Read(TimesContent? content, string name)
    {
        var times = Require(content, name);
        var rows = Require(times.NanosecondsPerRow, name);
        var batches = Require(times.Batches, name);
        if (rows.Any(row => row?.Length != batches.Length)) throw new ArgumentException($"\"{Camel(name)}\" does not have one time for each of its {batches.Length} batches in every row.");
        return new ProductTimes(new EquatableArray<int>(Require(times.Widths, name)), new EquatableArray<int>(batches), new EquatableArray<double>(rows.SelectMany(row => row)));
    }

    private static MemoryTimes ReadMemory(MemoryContent content) => new(
        new EquatableArray<long>(Require(content.Bytes, nameof(Content.Memory))),
        new EquatableArray<double>(Require(content.GigabytesPerSecond, nameof(Content.Memory))));

    private static double Time(double? value, string name)
    {
        if (value is null) throw new ArgumentException($"\"{Camel(name)}\" is missing.");
        return value >= 0 && value <= MachineProfile.LongestTime ? value.Value : throw new ArgumentException($"\"{Camel(name)}\" is not a number from 0 to 1e12.");
    }

    private static T Require<T>(T? value, string name)
        where T : class => value ?? throw new ArgumentException($"\"{Camel(name)}\" is missing, or lacks a list.");

    private static string Camel(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);

    // Four digits are more than a measurement has, and let the file be read.
    private static double Round(double value) => value == 0 ? 0 : double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static double[] Round(IEnumerable<double> values) => [.. values.Select(Round)];

    private sealed record Content
    {
        public string? Format { get; init; }

        public int Version { get; init; }

        public string? Name { get; init; }

        public string? Device { get; init; }

        public int Threads { get; init; }

        public TimesContent? Training { get; init; }

        public TimesContent? Greedy { get; init; }

        public TimesContent? TopK { get; init; }

        public TimesContent? Sampling { get; init; }

        public TimesContent? GreedyFar { get; init; }

        public TimesContent? SamplingFar { get; init; }

        public double? SelectionNanoseconds { get; init; }

        public MemoryContent? Memory { get; init; }

        public double? UpdateNanoseconds { get; init; }

        public double? TrainingHeadNanoseconds { get; init; }

        public double? TrainingTailNanoseconds { get; init; }

        public double? DecodingHeadNanoseconds { get; init; }

        public double? DecodingTailNanoseconds { get; init; }

        public double? BatchHeadNanoseconds { get; init; }

        public double? BatchTailNanoseconds { get; init; }
    }

    private sealed record TimesContent(int[]? Widths, int[]? Batches, double[][]? NanosecondsPerRow);

    private sealed record MemoryContent(long[]? Bytes, double[]? GigabytesPerSecond);
}
