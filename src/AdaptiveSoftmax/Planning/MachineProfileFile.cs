using System.Globalization;
using System.Text;
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
        AllowDuplicateProperties = false,
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
                GreedyCallNanoseconds = RoundOrNull(profile.GreedyCallTime),
                TopKCallNanoseconds = RoundOrNull(profile.TopKCallTime),
                SamplingCallNanoseconds = RoundOrNull(profile.SamplingCallTime),
                CandidateNanoseconds = RoundOrNull(profile.CandidateTime),
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
            var profile = new MachineProfile
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
                // Nor do they have these.
                GreedyCallTime = Time(content.GreedyCallNanoseconds ?? 0, nameof(content.GreedyCallNanoseconds)),
                TopKCallTime = Time(content.TopKCallNanoseconds ?? 0, nameof(content.TopKCallNanoseconds)),
                SamplingCallTime = Time(content.SamplingCallNanoseconds ?? 0, nameof(content.SamplingCallNanoseconds)),
                CandidateTime = Time(content.CandidateNanoseconds ?? 0, nameof(content.CandidateNanoseconds)),
            };

            // After what is missing, which is mostly the same member under its right name.
            if (FindUnknownMember(text) is not { } unknown) return profile;
            throw new FormatException(FormattableString.Invariant($"{name}, line {unknown.Line}: a machine profile has no member \"{Excerpt.Of(unknown.Name)}\"; is it misspelt, or of a later release? {Remedy}"));
        }
        catch (JsonException exception)
        {
            // A path leads to a value of another kind; JSON that is none has no more than a line.
            var problem = exception.InnerException is not JsonException && exception.Path is { Length: > 2 } path
                ? $"\"{Excerpt.Of(path[2..])}\" holds what does not belong there, or stands there twice"
                : "it is not JSON as it should be: a bracket, comma or quote is missing or too many";
            throw new FormatException(FormattableString.Invariant($"{name} is no machine profile: in line {exception.LineNumber + 1}, {problem}. {Remedy}"), exception);
        }
        catch (ArgumentException exception)
        {
            throw new FormatException($"{name} is a machine profile with a mistake: {Problem(exception)} {Remedy}", exception);
        }
    }

    // The parameter of a constructor means nothing to who wrote a file.
    private static string Problem(ArgumentException exception) => exception.Message.Replace($" (Parameter '{exception.ParamName}')", "", StringComparison.Ordinal);

    private static T Explain<T>(string name, Func<T> create)
    {
        try
        {
            return create();
        }
        catch (ArgumentException exception) when (exception.ParamName is not null)
        {
            throw new ArgumentException($"\"{Camel(name)}\": {Problem(exception)}", exception);
        }
    }

    // A member that is passed over in silence may be what somebody measured.
    private static (string Name, int Line)? FindUnknownMember(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
        var parent = "";
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName) continue;
            var member = reader.GetString()!;
            var type = reader.CurrentDepth == 1 ? typeof(Content) : parent.Equals(nameof(Content.Memory), StringComparison.OrdinalIgnoreCase) ? typeof(MemoryContent) : typeof(TimesContent);
            if (!type.GetProperties().Any(property => property.Name.Equals(member, StringComparison.OrdinalIgnoreCase))) return (member, 1 + bytes.AsSpan(0, (int)reader.TokenStartIndex).Count((byte)'\n'));
            if (reader.CurrentDepth == 1) parent = member;
        }

        return null;
    }

    private static TimesContent Describe(ProductTimes times) =>
        new([.. times.Widths], [.. times.Batches], [.. times.Nanoseconds.Chunk(times.Batches.Count).Select(Round)]);

    private static ProductTimes Read(TimesContent? content, string name)
    {
        var times = Require(content, name);
        var rows = Require(times.NanosecondsPerRow, name);
        var batches = Require(times.Batches, name);
        if (rows.Any(row => row?.Length != batches.Length)) throw new ArgumentException($"\"{Camel(name)}\" does not have one time for each of its {batches.Length} batches in every row.");
        var widths = Require(times.Widths, name);
        return Explain(name, () => new ProductTimes(new EquatableArray<int>(widths), new EquatableArray<int>(batches), new EquatableArray<double>(rows.SelectMany(row => row))));
    }

    private static MemoryTimes ReadMemory(MemoryContent content) => Explain(nameof(Content.Memory), () => new MemoryTimes(
        new EquatableArray<long>(Require(content.Bytes, nameof(Content.Memory))),
        new EquatableArray<double>(Require(content.GigabytesPerSecond, nameof(Content.Memory)))));

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

    private static double? RoundOrNull(double value) => value == 0 ? null : Round(value);

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

        public double? GreedyCallNanoseconds { get; init; }

        public double? TopKCallNanoseconds { get; init; }

        public double? SamplingCallNanoseconds { get; init; }

        public double? CandidateNanoseconds { get; init; }
    }

    private sealed record TimesContent(int[]? Widths, int[]? Batches, double[][]? NanosecondsPerRow);

    private sealed record MemoryContent(long[]? Bytes, double[]? GigabytesPerSecond);
}
