using System.Text;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Drafts;

public sealed class DraftVocabularyTests : IDisposable
{
    private const int Hidden = 24;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AlwaysThenFrequent_OfEqualOnesTheSmallerId()
    {
        var random = new Random(3);
        for (var round = 0; round < 50; round++)
        {
            var table = CreateTable(random, 300, round % 7);
            int[] named = [.. Enumerable.Range(0, random.Next(5)).Select(_ => random.Next(300))];
            var choice = DraftChoice.Create(table, named);
            var always = Enumerable.Range(0, 300).Where(slot => slot < table.PinnedCount || named.Contains(slot) || Encoding.UTF8.GetString(table.GetToken(slot)).StartsWith("<|", StringComparison.Ordinal)).ToHashSet();
            Assert.Equal(always.Count, choice.AlwaysCount);
            var order = Enumerable.Range(0, 300).OrderBy(slot => always.Contains(slot) ? 0 : 1).ThenByDescending(table.GetCount).ThenBy(table.GetId).ToArray();
            int[] sizes = [always.Count, always.Count + 1, 100, 299, 300];
            foreach (var size in sizes.Where(size => size > 0)) Assert.Equal(order.Take(size).Select(table.GetId).Order(), choice.TokensOf(size));
            var total = table.Counts.ToArray().Sum();
            var coverage = choice.CoverageOf(table.Counts, sizes);
            for (var i = 0; i < sizes.Length; i++) Assert.Equal(order.Take(sizes[i]).Sum(table.GetCount) / (double)total, coverage[i], 1e-12);
        }
    }

    [Fact]
    public void SizesThatCannotBe_AreRefused()
    {
        var choice = DraftChoice.Create(CreateTable(new Random(1), 50, pinned: 4));
        Assert.Contains("knows from 1 to 50", Assert.Throws<ArgumentOutOfRangeException>(() => choice.TokensOf(51)).Message, StringComparison.Ordinal);
        Assert.Contains("always in a draft", Assert.Throws<ArgumentOutOfRangeException>(() => choice.TokensOf(choice.AlwaysCount - 1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => DraftVocabulary.Create(choice, 20, targetSize: 50));
        Assert.Throws<ArgumentOutOfRangeException>(() => DraftChoice.Create(choice.Table, [50]));
        Assert.Throws<ArgumentException>(() => choice.CoverageOf(new long[49], [3]));
        Assert.Throws<ArgumentException>(() => choice.CoverageOf(new long[50], [3, 2]));
        Assert.Equal(double.NaN, choice.CoverageOf(new long[50], [3])[0]);
    }

    [Theory]
    [InlineData(0.8, 4, 1 + 0.8 + 0.64 + 0.512 + 0.4096)]
    [InlineData(1, 3, 4)]
    [InlineData(0, 3, 1)]
    [InlineData(0.5, 0, 1)]
    public void TokensPerVerification_IsTheGeometricSum(double acceptance, int drafted, double expected) =>
        Assert.Equal(expected, DraftChoice.TokensPerVerification(acceptance, drafted), 1e-12);

    /// <summary>Rows byte for byte as they are stored, the maps by their definitions.</summary>
    [Theory]
    [InlineData("BF16", false, false)]
    [InlineData("F16", false, true)]
    [InlineData("F32", true, false)]
    [InlineData("F64", false, false)]
    [InlineData("BF16", true, true)]
    public void Write_TakesTheStoredRows_AndBothMaps(string type, bool isTied, bool isSharded)
    {
        var random = new Random(7);
        var table = CreateTable(random, 200, pinned: 3);
        var rows = table.Ids.ToArray().Max() + 9;
        var weight = new CheckpointTensor(isTied ? "model.embed_tokens.weight" : "lm_head.weight", type, [rows, Hidden], [.. Enumerable.Range(0, rows * Hidden).Select(_ => (float)(random.NextDouble() - 0.5))]);
        var bias = new CheckpointTensor("lm_head.bias", "F32", [rows], [.. Enumerable.Range(0, rows).Select(_ => (float)random.NextDouble())]);
        var other = new CheckpointTensor("model.norm.weight", "F32", [3], [1, 2, 3]);
        var path = isSharded ? _folder["model.safetensors.index.json"] : _folder["model.safetensors"];
        if (isSharded) HuggingFaceFiles.Write(file => _folder[file], [other], [weight, bias]);
        else if (isTied) HuggingFaceFiles.WriteFile(path, other, weight);
        else HuggingFaceFiles.WriteFile(path, other, weight, bias);

        var vocabulary = DraftVocabulary.Create(DraftChoice.Create(table), 64, rows);
        var reported = new List<int>();
        using (var model = WeightsFile.Open(path))
            DraftFile.Write(_folder["draft.safetensors"], vocabulary, model, DenseHead.Find(model), reported.Add, TestContext.Current.CancellationToken);
        Assert.Equal(64, reported[^1]);
        using var stream = new MemoryStream();
        using (var model = WeightsFile.Open(path))
            DraftFile.Write(new PlainStream(stream), vocabulary, model, DenseHead.Find(model), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(File.ReadAllBytes(_folder["draft.safetensors"]), stream.ToArray());
        stream.Position = 0;
        Assert.Equal(vocabulary.Tokens.ToArray(), DraftVocabulary.Load(new PlainStream(stream)).Tokens.ToArray());

        using var file = WeightsFile.Open(_folder["draft.safetensors"]);
        var ids = vocabulary.Tokens.ToArray();
        Assert.Equal(ids.Select((id, i) => (long)id - i), System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(Bytes(file, "d2t")).ToArray());
        Assert.Equal(Enumerable.Range(0, rows).Select(id => (byte)(ids.Contains(id) ? 1 : 0)), Bytes(file, "t2d"));
        var rowBytes = weight.Bytes.Length / rows;
        if (type == "F64") Assert.Equal(ids.SelectMany(id => weight.Values[(id * Hidden)..((id + 1) * Hidden)]), System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(Bytes(file, "lm_head.weight")).ToArray());
        else Assert.Equal(ids.SelectMany(id => weight.Bytes[(id * rowBytes)..((id + 1) * rowBytes)]), Bytes(file, "lm_head.weight"));
        Assert.True(file.TryGetTensor("lm_head.weight", out var head));
        Assert.Equal((type == "F64" ? "F32" : type, "64,24"), (head.Type, string.Join(',', head.Shape)));
        Assert.Equal(!isTied || isSharded, file.TryGetTensor("lm_head.bias", out _));
        if (!isTied) Assert.Equal(ids.Select(id => bias.Values[id]), System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(Bytes(file, "lm_head.bias")).ToArray());

        var read = DraftVocabulary.Load(_folder["draft.safetensors"]);
        Assert.Equal(ids, read.Tokens.ToArray());
        Assert.Equal((rows, table.Fingerprint), (read.TargetSize, read.Fingerprint));
        read.Check(table);
        for (var number = 0; number < ids.Length; number++) Assert.Equal(number, read.Find(ids[number]));
        Assert.Equal(-1, read.Find(rows));
    }

    [Fact]
    public void Cancelled_WhileRowsAreRead_LeavesTheOldFileAndNoOther()
    {
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], new CheckpointTensor("lm_head.weight", "F32", [200_000, Hidden], new float[200_000 * Hidden]));
        var table = TokenTable.Create([.. Enumerable.Range(0, 150_000)], [.. Enumerable.Range(0, 150_000).Select(id => 200_000L - id)], [.. Enumerable.Range(0, 150_000).Select(BitConverter.GetBytes)]);
        var vocabulary = DraftVocabulary.Create(DraftChoice.Create(table), 150_000, 200_000);
        File.WriteAllText(_folder["draft.safetensors"], "old");
        string[] before = Directory.GetFiles(Path.GetDirectoryName(_folder["x"])!);
        using var stop = new CancellationTokenSource();
        using var model = WeightsFile.Open(_folder["model.safetensors"]);
        var read = 0;
        Assert.ThrowsAny<OperationCanceledException>(() => DraftFile.Write(_folder["draft.safetensors"], vocabulary, model, DenseHead.Find(model), Stop, stop.Token));
        Assert.InRange(read, 1, 149_999);
        Assert.ThrowsAny<OperationCanceledException>(() => DraftFile.WriteTokenMap(_folder["draft.safetensors"], vocabulary, stop.Token));
        Assert.Equal("old", File.ReadAllText(_folder["draft.safetensors"]));
        Assert.Equal(before, Directory.GetFiles(Path.GetDirectoryName(_folder["x"])!));

        void Stop(int rows)
        {
            read = rows;
            stop.Cancel();
        }
    }

    [Fact]
    public void AMapOfAnotherVocabulary_IsRefused_AndBothAreNamed()
    {
        var table = CreateTable(new Random(4), 60, pinned: 0);
        var other = CreateTable(new Random(5), 60, pinned: 0);
        DraftFile.Write(_folder["draft.safetensors"], DraftVocabulary.Create(DraftChoice.Create(table), 20), cancellationToken: TestContext.Current.CancellationToken);
        var vocabulary = DraftVocabulary.Load(_folder["draft.safetensors"]);
        var message = Assert.Throws<CheckpointMismatchException>(() => vocabulary.Check(other)).Message;
        Assert.Contains(vocabulary.FingerprintById, message, StringComparison.Ordinal);
        Assert.Contains("`adaptive-softmax draft`", message, StringComparison.Ordinal);

        // Other counts put the same tokens in another order.
        var counts = table.Counts.ToArray();
        Array.Reverse(counts);
        var reordered = TokenTable.Create(table.Ids, counts, [.. Enumerable.Range(0, 60).Select(slot => table.GetToken(slot).ToArray())]);
        Assert.NotEqual(table.Fingerprint, reordered.Fingerprint);
        vocabulary.Check(reordered);

        using var own = CreateSoftmax(table);
        using var foreign = CreateSoftmax(other);
        using (vocabulary.CreateDecoding(own))
        {
        }

        message = Assert.Throws<CheckpointMismatchException>(() => vocabulary.CreateDecoding(foreign)).Message;
        Assert.Contains(table.Fingerprint, message, StringComparison.Ordinal);
        Assert.Contains(other.Fingerprint, message, StringComparison.Ordinal);
    }

    [Fact]
    public void MapsOfOtherPrograms_AreRead_OnTheCallersWord()
    {
        var table = CreateTable(new Random(4), 60, pinned: 0);
        WriteMaps("I64", [0, 1, 3, 3], [1, 0, 1, 0, 0, 1, 1]);
        var vocabulary = DraftVocabulary.Load(_folder["maps.safetensors"]);
        Assert.Equal([0, 2, 5, 6], vocabulary.Tokens.ToArray());
        Assert.Contains("carry no fingerprint", Assert.Throws<CheckpointMismatchException>(() => vocabulary.Check(table)).Message, StringComparison.Ordinal);
        vocabulary.Check(table, acceptUnmarked: true);
        using var softmax = CreateSoftmax(table);
        Assert.Throws<CheckpointMismatchException>(() => vocabulary.CreateDecoding(softmax));
        WriteMaps("I32", [6, 4], [0, 0, 0, 0, 0, 1, 1]);
        Assert.Equal([6, 5], DraftVocabulary.Load(_folder["maps.safetensors"]).Tokens.ToArray());
    }

    [Theory]
    [InlineData("leads to token 7, and 't2d' has 7 tokens", new long[] { 0, 6 }, new byte[] { 1, 0, 0, 0, 0, 0, 1 })]
    [InlineData("leads to token -1", new long[] { 0, -2 }, new byte[] { 1, 0, 0, 0, 0, 0, 1 })]
    [InlineData("which 't2d' says the draft does not know", new long[] { 0, 4 }, new byte[] { 1, 0, 0, 0, 0, 0, 1 })]
    [InlineData("as an earlier one does", new long[] { 6, 5 }, new byte[] { 1, 0, 0, 0, 0, 0, 1 })]
    [InlineData("knows 3 tokens, and 'd2t' has 2", new long[] { 0, 5 }, new byte[] { 1, 0, 0, 1, 0, 0, 1 })]
    public void MapsThatDoNotAgree_AreRefused(string message, long[] toTarget, byte[] fromTarget)
    {
        WriteMaps("I64", toTarget, fromTarget);
        var exception = Assert.ThrowsAny<WeightsFormatException>(() => DraftVocabulary.Load(_folder["maps.safetensors"]));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.Contains("maps.safetensors", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesWithoutMaps_AreRefused()
    {
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], new CheckpointTensor("lm_head.weight", "F32", [2, 2], [1, 2, 3, 4]));
        Assert.Contains("It has no 'd2t'", Assert.ThrowsAny<WeightsFormatException>(() => DraftVocabulary.Load(_folder["model.safetensors"])).Message, StringComparison.Ordinal);
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], new CheckpointTensor("d2t", "F32", [2], [1, 2]), new CheckpointTensor("t2d", "F32", [2], [1, 2]));
        Assert.Contains("a vector of I64 or I32", Assert.ThrowsAny<WeightsFormatException>(() => DraftVocabulary.Load(_folder["model.safetensors"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFaultInTheModel_LeavesTheOldFile()
    {
        var table = CreateTable(new Random(7), 40, pinned: 0);
        var rows = table.Ids.ToArray().Max() + 1;
        var values = new float[rows * Hidden];
        var vocabulary = DraftVocabulary.Create(DraftChoice.Create(table), 20, rows);
        File.WriteAllText(_folder["draft.safetensors"], "old");
        values[vocabulary.Tokens[3] * Hidden] = float.NaN;
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], new CheckpointTensor("lm_head.weight", "BF16", [rows, Hidden], values));
        using (var model = WeightsFile.Open(_folder["model.safetensors"]))
            Assert.Contains($"Row {vocabulary.Tokens[3]}", Assert.ThrowsAny<WeightsFormatException>(() => DraftFile.Write(_folder["draft.safetensors"], vocabulary, model, DenseHead.Find(model), cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        using (var model = WeightsFile.Open(_folder["model.safetensors"]))
        {
            var smaller = DraftVocabulary.Create(DraftChoice.Create(table), 20, rows + 3);
            Assert.Contains($"has {rows} rows, and the maps are of a target with {rows + 3}", Assert.Throws<CheckpointMismatchException>(() => DraftFile.Write(_folder["draft.safetensors"], smaller, model, DenseHead.Find(model), cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        }

        Assert.Equal("old", File.ReadAllText(_folder["draft.safetensors"]));
        Assert.Equal(["draft.safetensors", "model.safetensors"], _folder.Files);
    }

    private void WriteMaps(string type, long[] toTarget, byte[] fromTarget)
    {
        byte[] first = [.. toTarget.SelectMany(value => type == "I64" ? BitConverter.GetBytes(value) : BitConverter.GetBytes((int)value))];
        var header = $"{{\"d2t\":{{\"dtype\":\"{type}\",\"shape\":[{toTarget.Length}],\"data_offsets\":[0,{first.Length}]}},\"t2d\":{{\"dtype\":\"BOOL\",\"shape\":[{fromTarget.Length}],\"data_offsets\":[{first.Length},{first.Length + fromTarget.Length}]}}}}";
        File.WriteAllBytes(_folder["maps.safetensors"], SafetensorsBytes.Create(header.PadRight((header.Length + 7) / 8 * 8), [.. first, .. fromTarget]));
    }

    private static byte[] Bytes(WeightsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor));
        var bytes = new List<byte>();
        file.CopyBytes(tensor, chunk => bytes.AddRange(chunk), TestContext.Current.CancellationToken);
        return [.. bytes];
    }

    // Ids with gaps, in no order of counts; every tenth token looks special.
    internal static TokenTable CreateTable(Random random, int count, int pinned)
    {
        var ids = Enumerable.Range(0, count + (count / 5)).OrderBy(_ => random.Next()).Take(count).ToArray();
        return TokenTable.Create(ids, [.. ids.Select(_ => (long)random.Next(40))], [.. ids.Select((id, i) => Encoding.UTF8.GetBytes(i % 10 == 9 ? $"<|mark{id}|>" : $"word{id}"))], ids.AsSpan(0, pinned));
    }

    internal static DynamicAdaptiveSoftmax CreateSoftmax(TokenTable table)
    {
        using var text = new StringWriter();
        TokenTableWriter.Write(text, table, TestContext.Current.CancellationToken);
        var spec = SpecReader.Read("t.softmax.json", "{ \"hiddenSize\": 8, \"vocabulary\": \"t.tokens\", \"cutoffs\": [20], \"divValue\": 2 }");
        return new DynamicAdaptiveSoftmax(SoftmaxDefinitionReader.Combine(spec, TokenTableReader.Read("t.tokens", text.ToString())).Definition!, seed: 1);
    }
}
