using System.Globalization;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.States;

/// <summary>States files: what any framework may write, what is wrong in them, and our own writer.</summary>
public sealed class StatesFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Path => _folder["states.safetensors"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FileWrittenByHand_IsReadInBlocks()
    {
        WriteFile(hidden: [1, 2, 3, 4, 5, 6], targets: [7, 8, 9], targetType: "I64", domain: [1, 0, 1], loss: [0.5f, 1, 1.5f]);
        using var states = StatesFile.Open(Path);
        Assert.Equal((3, 2, true), (states.Count, states.HiddenSize, states.HasLosses));
        Assert.Equal(["en", "code"], states.Domains);
        var seen = new List<string>();
        foreach (var block in states.ReadBlocks(rows: 2))
            seen.Add($"{block.Start}: {Join(block.Hidden)} | {Join(block.Targets)} | {Join(block.Domains)} | {Join(block.Losses)}");
        Assert.Equal(["0: 1 2 3 4 | 7 8 | 1 0 | 0.5 1", "2: 5 6 | 9 | 1 | 1.5"], seen);
        Assert.Equal([8], states.ReadBlocks(rows: 2, start: 1, count: 1).SelectMany(block => block.Targets.ToArray()));
    }

    // As many values as are converted at a time come before the one that is refused.
    [Theory]
    [InlineData(StatesPrecision.Float16, 65_520f, "float16's range")]
    [InlineData(StatesPrecision.BFloat16, 3.39617752e38f, "bfloat16's range")]
    public void AfterARefusedValue_RowsAndTargetsStillBelongTogether(StatesPrecision precision, float outside, string part)
    {
        var many = new float[70_000];
        many[^1] = outside;
        Write(Path, 1, writer =>
        {
            writer.Add([2], [2]);
            var exception = Assert.Throws<ArgumentException>(() => writer.Add(many, new int[many.Length]));
            Assert.Contains(part, exception.Message, StringComparison.Ordinal);
            writer.Add([3, MathF.BitDecrement(outside)], [3, 4]);
        }, new StatesWriterOptions { Precision = precision });
        using var states = StatesFile.Open(Path);
        var block = states.ReadBlocks().Single();
        Assert.Equal([2, 3, 4], block.Targets);
        Assert.Equal([2f, 3f], block.Hidden[..2]);
        Assert.InRange(block.Hidden[2], 0.99f * outside, outside);
    }

    [Fact]
    public void ADomainWithoutAName_IsRefused() =>
        Assert.Throws<ArgumentException>(() => Write(Path, 1, writer => writer.Add([1], [1], [0]), new StatesWriterOptions { Domains = [null!] }));

    [Theory]
    [InlineData(StatesPrecision.Float32)]
    [InlineData(StatesPrecision.Float16)]
    [InlineData(StatesPrecision.BFloat16)]
    public void WhatIsWritten_IsRead(StatesPrecision precision)
    {
        var random = new Random(3);
        var hidden = Enumerable.Range(0, 11 * 3).Select(_ => (random.NextSingle() * 8) - 4).ToArray();
        int[] targets = [.. Enumerable.Range(0, 11).Select(i => i * 1000)];
        int[] domains = [.. targets.Select((_, i) => i % 2)];
        float[] losses = [.. targets.Select(target => target * 0.25f)];
        var options = new StatesWriterOptions { Precision = precision, Domains = ["ä", "b"], HasLosses = true, Metadata = new Dictionary<string, string> { ["model"] = "toy" } };
        Write(Path, 3, writer =>
        {
            writer.Add(hidden.AsSpan(0, 15), targets.AsSpan(0, 5), domains.AsSpan(0, 5), losses.AsSpan(0, 5));
            writer.Add(hidden.AsSpan(15), targets.AsSpan(5), domains.AsSpan(5), losses.AsSpan(5));
        }, options);

        using var states = StatesFile.Open(Path);
        var block = states.ReadBlocks(rows: 100).Single();
        Assert.Equal(targets, block.Targets);
        Assert.Equal(domains, block.Domains);
        Assert.Equal(losses, block.Losses);
        Assert.Equal(["ä", "b"], states.Domains);
        Assert.Equal("toy", states.Metadata["model"]);
        var bits = precision switch { StatesPrecision.Float32 => 24, StatesPrecision.Float16 => 11, _ => 8 };
        for (var i = 0; i < hidden.Length; i++) Assert.InRange(block.Hidden[i], hidden[i] - (Math.Abs(hidden[i]) * MathF.Pow(2, -bits)), hidden[i] + (Math.Abs(hidden[i]) * MathF.Pow(2, -bits)));
        if (precision == StatesPrecision.Float32) Assert.Equal(hidden, block.Hidden);
    }

    [Fact]
    public void SameStatesInOtherPieces_GiveTheSameBytes()
    {
        Write(Path, 2, writer => writer.Add([1, 2, 3, 4], [5, 6]));
        Write(_folder["pieces"], 2, writer =>
        {
            writer.Add([1, 2], [5]);
            writer.Add([3, 4], [6]);
        });
        Assert.Equal(File.ReadAllBytes(Path), File.ReadAllBytes(_folder["pieces"]));
    }

    [Fact]
    public void FailedWriting_LeavesTheOldFile()
    {
        Write(Path, 1, writer => writer.Add([1], [2]));
        var before = File.ReadAllBytes(Path);
        Assert.Throws<ArgumentException>(() => Write(Path, 1, writer =>
        {
            writer.Add([1], [2]);
            writer.Add([float.NaN], [2]);
        }));
        Assert.Throws<InvalidOperationException>(() => Write(Path, 1, _ => { }));
        Assert.Equal(before, File.ReadAllBytes(Path));
        Assert.Equal(["states.safetensors"], _folder.Files);
    }

    [Fact]
    public void OtherHiddenSize_AndTargetsOutsideTheVocabulary_AreNamed()
    {
        WriteFile(hidden: [1, 2, 3, 4, 5, 6], targets: [3, 2, 9]);
        using var states = StatesFile.Open(Path);
        using var wide = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(3, 6, [3], [1]));
        AssertFault("'hidden'", "hidden size 3", () => states.Require(wide));
        using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(2, 6, [3], [1]));
        states.Require(softmax);
        AssertFault("'targets'", "Row 2 has the target 9", () => states.ReadBlocks(rows: 2).Count());
    }

    [Theory]
    [InlineData(float.NaN, "Row 1 holds NaN")]
    [InlineData(float.NegativeInfinity, "Row 1 holds an infinity")]
    public void ValuesThatAreNotFinite_AreNamed(float value, string message)
    {
        WriteFile(hidden: [1, 2, 3, value], targets: [0, 0]);
        using var states = StatesFile.Open(Path);
        AssertFault("'hidden'", message, () => states.ReadBlocks().Count());
    }

    [Fact]
    public void WhatIsNoStatesFile_IsSaid()
    {
        using (var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(2, 6, [3], [1]))) softmax.Save(Path);
        AssertFault("'hidden'", "holds no states", () => StatesFile.Open(Path));
        WriteFile(hidden: [1, 2, 3, 4], targets: [0, 0, 0]);
        AssertFault("'targets'", "there are 2 states", () => StatesFile.Open(Path));
        WriteFile(hidden: [1, 2, 3, 4], targets: [0, 0], hiddenShape: "1,2,2");
        AssertFault("'hidden'", "[1, 2, 2]", () => StatesFile.Open(Path));
        WriteFile(hidden: [], targets: []);
        AssertFault("'hidden'", "no states in it", () => StatesFile.Open(Path));
        WriteFile(hidden: [1, 2], targets: [0], targetType: "F32");
        AssertFault("'targets'", "F32", () => StatesFile.Open(Path));
        WriteFile(hidden: [1, 2], targets: [0], domain: [0], domains: null);
        AssertFault("'domain'", "'domains' with the domains' names is missing", () => StatesFile.Open(Path));
        WriteFile(hidden: [1, 2], targets: [0], domain: [2]);
        using var states = StatesFile.Open(Path);
        AssertFault("'domain'", "Row 0 has the domain 2", () => states.ReadBlocks().Count());
    }

    [Fact]
    public void TargetsOfMoreThan32Bits_AreNoTokens()
    {
        WriteFile(hidden: [1, 2], targets: [(1L << 32) + 1], targetType: "I64");
        using var states = StatesFile.Open(Path);
        AssertFault("'targets'", "Row 0", () => states.ReadBlocks().Count());
    }

    private static void Write(string path, int hiddenSize, Action<StatesWriter> write, StatesWriterOptions? options = null) =>
        StatesWriter.Write(path, hiddenSize, write, options, TestContext.Current.CancellationToken);

    private static void AssertFault(string tensor, string message, Func<object?> act)
    {
        var fault = Assert.Throws<SafetensorsFormatException>(act);
        Assert.Contains("states.safetensors", fault.Message, StringComparison.Ordinal);
        Assert.Contains(tensor, fault.Message, StringComparison.Ordinal);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
        Assert.NotEmpty(fault.Remedy);
    }

    private static void AssertFault(string tensor, string message, Action act) => AssertFault(tensor, message, () =>
    {
        act();
        return null;
    });

    // Two values a row, unless the shape says otherwise.
    private void WriteFile(float[] hidden, long[] targets, string targetType = "I32", string? hiddenShape = null, int[]? domain = null, float[]? loss = null, string? domains = """["en","code"]""")
    {
        using var data = new MemoryStream();
        var entries = new List<string>();
        if (domains is not null) entries.Add("\"__metadata__\":{\"domains\":" + System.Text.Json.JsonSerializer.Serialize(domains) + "}");
        Add("hidden", "F32", hiddenShape ?? $"{hidden.Length / 2},2", MemoryMarshal.AsBytes(hidden.AsSpan()));
        Add("targets", targetType, Text(targets.Length), targetType == "I64" ? MemoryMarshal.AsBytes(targets.AsSpan()) : MemoryMarshal.AsBytes(targets.Select(target => (int)target).ToArray().AsSpan()));
        if (domain is not null) Add("domain", "I32", Text(domain.Length), MemoryMarshal.AsBytes(domain.AsSpan()));
        if (loss is not null) Add("loss", "F32", Text(loss.Length), MemoryMarshal.AsBytes(loss.AsSpan()));
        File.WriteAllBytes(Path, SafetensorsBytes.Create($"{{{string.Join(',', entries)}}}", data.ToArray()));

        void Add(string name, string type, string shape, ReadOnlySpan<byte> bytes)
        {
            entries.Add($"\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{shape}],\"data_offsets\":[{data.Length},{data.Length + bytes.Length}]}}");
            data.Write(bytes);
        }
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Join<T>(ReadOnlySpan<T> values)
        where T : IFormattable => string.Join(' ', values.ToArray().Select(value => value.ToString(null, CultureInfo.InvariantCulture)));
}
