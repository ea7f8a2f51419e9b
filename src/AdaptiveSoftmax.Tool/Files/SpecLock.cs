using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>
/// What a spec and its vocabulary were when they were pinned: the facts of the generated class, and a hash for each run of slots, so
/// that a small file says where a large vocabulary changed.
/// </summary>
internal sealed record SpecLock
{
    /// <summary>What takes the place of <c>.softmax.json</c> in the name of a spec.</summary>
    public const string Suffix = ".softmax.lock.json";

    private const string SpecSuffix = ".softmax.json";
    private const int CurrentFormat = 1;
    private const int MostRuns = 64;
    private const int MostChanges = 8;

    // What is no lock is written over on request alone.
    private const string Remedy = "Restore it from version control, or write it anew with --update --force.";

    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
    };

    public required int Format { get; init; }

    public required string Fingerprint { get; init; }

    public required string VocabularyFingerprint { get; init; }

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required IReadOnlyList<int> Cutoffs { get; init; }

    public required IReadOnlyList<int> Projections { get; init; }

    public required bool HeadBias { get; init; }

    public required double LogitScale { get; init; }

    /// <summary>Null for none.</summary>
    public required double? LogitSoftCap { get; init; }

    /// <summary>The slots of each run but the last, which may be shorter.</summary>
    public required int RunLength { get; init; }

    public required IReadOnlyList<SlotRun> Runs { get; init; }

    /// <summary>Where a spec's lock stands unless it is said.</summary>
    public static string FileOf(string spec) =>
        spec.EndsWith(SpecSuffix, StringComparison.OrdinalIgnoreCase) ? spec[..^SpecSuffix.Length] + Suffix : spec + ".lock.json";

    /// <summary>What there is to pin of a definition.</summary>
    /// <param name="definition">The definition.</param>
    /// <param name="runLength">The slots of a run, to compare with another lock; 0 for at most 64 runs.</param>
    public static SpecLock Of(SoftmaxDefinition definition, int runLength = 0)
    {
        var (layout, table) = (definition.Layout, definition.Table);
        if (runLength == 0) runLength = (table.Count + MostRuns - 1) / MostRuns;
        return new SpecLock
        {
            Format = CurrentFormat,
            Fingerprint = definition.Fingerprint,
            VocabularyFingerprint = definition.VocabularyFingerprint,
            VocabularySize = layout.VocabularySize,
            HiddenSize = layout.HiddenSize,
            Cutoffs = [.. layout.Tails.Select(tail => tail.Start)],
            Projections = [.. layout.Tails.Select(tail => tail.ProjectionWidth)],
            HeadBias = layout.HasHeadBias,
            LogitScale = layout.LogitScale,
            LogitSoftCap = double.IsInfinity(layout.LogitSoftCap) ? null : layout.LogitSoftCap,
            RunLength = runLength,
            Runs = [.. Enumerable.Range(0, CountRuns(table.Count, runLength)).Select(run => SlotRun.Of(table, run * runLength, EndOfRun(run, runLength, table.Count)))],
        };
    }

    /// <summary>Reads one.</summary>
    /// <exception cref="ToolException">It is none; the message says what to do.</exception>
    public static SpecLock Read(string path, string text)
    {
        SpecLock? read;
        try
        {
            read = JsonSerializer.Deserialize<SpecLock>(text, s_json);
        }
        catch (JsonException exception)
        {
            throw new ToolException($"{Excerpt.Line(path)} is no lock that `adaptive-softmax check` wrote: {Excerpt.Line(exception.Message)} {Remedy}");
        }

        if (read is not { Format: CurrentFormat }) throw new ToolException($"{Excerpt.Line(path)} is no lock of format {CurrentFormat}. {Remedy}");
        if (read.RunLength < 1 || read.RunLength > read.VocabularySize || read.Runs.Count != CountRuns(read.VocabularySize, read.RunLength) || read.Runs.Contains(null!))
            throw new ToolException($"{Excerpt.Line(path)} is damaged: its runs are not those of as many slots as it says. {Remedy}");
        return read;
    }

    /// <summary>Whether a file holds a lock.</summary>
    public static bool IsOne(string path)
    {
        try
        {
            Read(path, RegularFile.ReadText(path, CancellationToken.None));
            return true;
        }
        catch (Exception exception) when (exception is ToolException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public override string ToString() => JsonSerializer.Serialize(this, s_json) + "\n";

    /// <summary>A line for each thing that a definition has otherwise; none where it is what was pinned.</summary>
    public IReadOnlyList<string> Compare(SoftmaxDefinition definition)
    {
        var now = Of(definition, RunLength);
        var changes = new List<string>();
        Add("hidden size", Text(HiddenSize), Text(now.HiddenSize));
        Add("vocabulary size", Text(VocabularySize), Text(now.VocabularySize));
        Add("cutoffs", Text(Cutoffs), Text(now.Cutoffs));
        Add("projections", Text(Projections), Text(now.Projections));
        Add("bias of the head", HeadBias ? "yes" : "no", now.HeadBias ? "yes" : "no");
        Add("logit scale", Text(LogitScale), Text(now.LogitScale));
        Add("logit soft cap", LogitSoftCap is { } cap ? Text(cap) : "none", now.LogitSoftCap is { } other ? Text(other) : "none");
        AddRuns(now, changes);
        Add("vocabulary's fingerprint", VocabularyFingerprint, now.VocabularyFingerprint);
        Add("fingerprint", Fingerprint, now.Fingerprint);
        // The file's texts are anybody's.
        return [.. changes.Select(Excerpt.Line)];

        void Add(string name, string was, string nowIs)
        {
            if (was != nowIs) changes.Add($"{name}: {was} is now {nowIs}");
        }
    }

    private void AddRuns(SpecLock now, List<string> changes)
    {
        var ranges = 0;
        var left = 0;
        for (var run = 0; run < Math.Max(Runs.Count, now.Runs.Count); run++)
        {
            if (Run(Runs, run)?.Hash == Run(now.Runs, run)?.Hash) continue;
            var first = run;
            while (run + 1 < Math.Max(Runs.Count, now.Runs.Count) && Run(Runs, run + 1)?.Hash != Run(now.Runs, run + 1)?.Hash) run++;
            if (++ranges > MostChanges)
            {
                left++;
                continue;
            }

            var slots = RunLength == 1 && first == run ? Text(first) : $"{Text(first * RunLength)} to {Text(EndOfRun(run, RunLength, Math.Max(VocabularySize, now.VocabularySize)) - 1)}";
            changes.Add($"slot{(slots.Contains(' ', StringComparison.Ordinal) ? "s" : "")} {slots}: {Describe(Run(Runs, first))} is now {Describe(Run(now.Runs, first))}");
        }

        if (left > 0) changes.Add($"and {left} more ranges of slots");
    }

    private static int CountRuns(int slots, int length) => (int)((slots + (long)length - 1) / length);

    private static int EndOfRun(int run, int length, int slots) => (int)Math.Min(slots, (run + 1L) * length);

    private static SlotRun? Run(IReadOnlyList<SlotRun> runs, int index) => index < runs.Count ? runs[index] : null;

    private string Describe(SlotRun? run) => run is null ? "nothing" : $"{(RunLength == 1 ? "" : "what begins with ")}{run.First} (id {Text(run.Id)})";

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private static string Text(IReadOnlyList<int> values) => values.Count == 0 ? "none" : string.Join(", ", values.Select(value => Text(value)));
}

/// <summary>Some slots one after the other.</summary>
/// <param name="Id">The id of the first one's token.</param>
/// <param name="First">The token as messages have it.</param>
/// <param name="Hash">Stands for ids and tokens of all of them.</param>
internal sealed record SlotRun(int Id, string First, string Hash)
{
    private const int HashBytes = 8;

    public static SlotRun Of(TokenTable table, int start, int end)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[2 * sizeof(int)];
        for (var slot = start; slot < end; slot++)
        {
            var token = table.GetToken(slot);
            BinaryPrimitives.WriteInt32LittleEndian(numbers, table.Ids[slot]);
            BinaryPrimitives.WriteInt32LittleEndian(numbers[sizeof(int)..], token.Length);
            sha.AppendData(numbers);
            sha.AppendData(token);
        }

        return new SlotRun(table.Ids[start], Excerpt.Token(table.GetToken(start)), Convert.ToHexStringLower(sha.GetHashAndReset().AsSpan(0, HashBytes)));
    }
}
